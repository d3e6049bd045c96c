"""Where a character of a text stands in its file, however YAML lets the text be written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.documents import read_document

WRITTEN = [
    ("plain", "rules:\n  when: one two three\n", "three", (2, 17)),
    ("plain, in the first column", "when:\n one two\n", "two", (2, 6)),
    ("plain over two lines", "when: one\n   two three\n", "three", (2, 8)),
    ("plain with an empty line", "when: one\n\n   two\n", "two", (3, 4)),
    ("plain with a comment behind it", "when: one two  # three\n", "two", (1, 11)),
    ("in a list", "when:\n  - one\n  - two three\n", "three", (3, 9)),
    ("in flow style", "{when: [one, two three]}", "three", (1, 18)),
    ("single quotes", "when: 'one two'\n", "two", (1, 12)),
    ("single quotes with a quote", "when: 'it''s one two'\n", "two", (1, 18)),
    ("single quotes over two lines", "when: 'one\n\n  two'\n", "two", (3, 3)),
    ("double quotes", 'when: "one two"\n', "two", (1, 12)),
    ("double quotes with escapes", 'when: "\\x6fn\\u0065 \\"two\\""\n', "two", (1, 22)),
    ("double quotes with escaped blanks", 'when: "one\\ttwo\\x20three"\n', "three", (1, 20)),
    ("double quotes with a line carried on", 'when: "one \\\n   two"\n', "two", (2, 4)),
    ("a block of lines", "when: |\n  one\n  two three\n", "three", (3, 7)),
    ("a folded block", "when: >-\n  one two\n  three four\n", "four", (3, 9)),
    ("a folded block with a comment", "when: >  # three\n    one\n\n    two\n", "two", (4, 5)),
    ("a block with its indent", "when: |2-\n    one\n  two\n", "two", (3, 3)),
    ("lines of Windows", "when: >\r\n  one\r\n  two three\r\n", "three", (3, 7)),
    ("a character of several units", "when: 'ñ 🛎 two'\n", "two", (1, 12)),
]


def text_of(tree: object) -> tuple[tuple[str | int, ...], str]:
    """The way to the last text of a tree, and the text."""
    if isinstance(tree, dict):
        key, value = list(tree.items())[-1]
        path, text = text_of(value)
        return (key, *path), text
    if isinstance(tree, list):
        path, text = text_of(tree[-1])
        return (len(tree) - 1, *path), text
    assert isinstance(tree, str)
    return (), tree


@pytest.mark.parametrize(("source", "word", "place"), [case[1:] for case in WRITTEN], ids=[case[0] for case in WRITTEN])
def test_a_word_is_found_where_it_is_written(source, word, place):
    document = read_document("file.yaml", source)
    assert document.problems == ()
    path, text = text_of(document.tree)
    found = document.inside(path, text.index(word))
    assert (found.line, found.column) == place
    line = source.replace("\r\n", "\n").split("\n")[found.line - 1]
    assert line[found.column - 1 :].startswith(word)


@pytest.mark.parametrize("source", ["when: one two\n", "when: 'one two'\n", 'when: "one two"\n', "when: |\n one two\n"])
def test_past_the_end_is_right_behind_the_last_letter(source):
    document = read_document("file.yaml", source)
    found = document.inside(("when",), len("one two"))
    line = source.split("\n")[found.line - 1]
    assert line[found.column - 2] == "o"


def test_a_text_that_stands_for_a_list_of_one_is_the_list():
    document = read_document("file.yaml", "only if: one two\n")
    assert str(document.inside(("only if", 0), 4)) == "file.yaml:1:14"


def test_an_empty_text_has_a_place():
    document = read_document("file.yaml", "a: 1\nwhen: ''\n")
    assert str(document.inside(("when",), 0)) == "file.yaml:2:8"


texts = st.text(st.characters(exclude_categories=["Cs"], min_codepoint=32, max_codepoint=0x2FFFF), min_size=1)


@given(texts, st.data())
def test_in_json_every_letter_is_found_again(text, data):
    """JSON is YAML, and its escapes are known from elsewhere."""
    source = json.dumps({"a": 1, "when": text}, ensure_ascii=data.draw(st.booleans()), indent=2)
    document = read_document("file.yaml", source)
    if document.problems or document.tree["when"] != text:
        return  # half characters in escapes, and letters that YAML forbids
    visible = [index for index, letter in enumerate(text) if not letter.isspace()]
    if not visible:
        return
    offset = data.draw(st.sampled_from(visible))
    found = document.inside(("when",), offset)
    before = json.dumps(text[:offset], ensure_ascii=source.isascii())[1:-1]
    assert (found.line, found.column) == (3, len('  "when": "') + len(before) + 1)


@pytest.mark.parametrize("odd", ["\u2028", "\x85"])
def test_a_line_that_ends_in_an_odd_way_is_no_reason_to_fail(odd):
    document = read_document("file.yaml", f'when: "one{odd}two"\n')
    if not document.problems:
        assert document.inside(("when",), 4).line == 1
