"""HTML as text: what people see, however broken, in linear steps."""

import pytest

from listening.markup import text_of


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>Hello <b>you</b></p><p>and you</p>", "Hello you\n\nand you"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<style>p {}</style><script>if (a < b) {}</script>seen<!-- not seen <p> -->", "seen"),
        ("a &lt; b &amp;amp; &#8364; &nbsp;c", "a < b &amp; € c"),
        ("3 < 4 and 5 > 4, <3 you", "3 < 4 and 5 > 4, <3 you"),
        ("<blockquote>before</blockquote>after", "> before\nafter"),
        ("never closed <a href='", "never closed <a href='"),
        ("<!DOCTYPE html><?php no ?>yes", "yes"),
        ("cut <!-- off", "cut"),
        ("", ""),
    ],
)
def test_markup_becomes_what_people_see(markup, text):
    assert "\n".join(each for each in text_of(markup).split("\n") if each) == text.replace("\n\n", "\n")


@pytest.mark.parametrize("piece", ["<", "<a ", "<!--", "&#", "<blockquote>", "&amp;", "<p <p ", "&#9"])
def test_what_is_malformed_on_purpose_takes_no_more_steps_than_it_is_long(piece):
    """With a quadratic step in it, this would take minutes."""
    assert isinstance(text_of(piece * (2_000_000 // len(piece))), str)


def test_a_number_of_many_digits_is_left_as_it_is():
    assert text_of("&#" + "9" * 10_000 + ";").startswith("&#999")
