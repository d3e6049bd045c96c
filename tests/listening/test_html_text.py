"""HTML as plain text: what Mastodon and snac write, and what a stranger may."""

import pytest

from listening.html_text import text_of


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("no markup at all", "no markup at all"),
        ("<p>one</p><p>two<br>three</p>", "one\n\ntwo\nthree"),
        (
            '<p><span class="h-card" translate="no"><a href="http://127.0.0.2/acme" class="u-url mention">@<span>acme'
            "</span></a></span> checkout is down!!</p>",
            "@acme checkout is down!!",
        ),
        (
            '<a href="https://example.com/a/b"><span class="invisible">https://</span><span class="ellipsis">'
            'example.com/a</span><span class="invisible">/b</span></a>',
            "https://example.com/a/b",
        ),
        ("Fish &amp; Chips &lt;b&gt; &#128640; &eacute;", "Fish & Chips <b> \N{ROCKET} é"),
        ('happy <img alt=":blobcat:" src="x"> day', "happy :blobcat: day"),
        ("<script>alert(1)</script>after<style>p{}</style>!", "after!"),
        ("before<!-- hidden --> after", "before after"),
        ("3 < 4 and 5 > 4", "3 < 4 and 5 > 4"),
        ("it is <down> <b>again</b>", "it is <down> again"),
        ("<ul><li>milk</li><li>bread</li></ul>", "milk\n\nbread"),
        ("cut off <a href='x", "cut off"),
        ("a\0b \ud83d c", "ab ? c"),
        ("", ""),
    ],
)
def test_a_person_reads_the_same(markup: str, text: str):
    assert text_of(markup) == text


@pytest.mark.parametrize(
    "piece",
    ["<", "<a", "<!--", "&#", "&#" + "9" * 5000, "<script>", "</", "<a <b ", "&amp", "<p>", "<img alt='", "\n \n"],
)
def test_hostile_markup_costs_one_pass(piece: str):
    """Quadratic work on this much would take minutes and end by pytest's timeout."""
    hostile = piece * (3_000_000 // len(piece))

    assert len(text_of(hostile)) <= 65_536
