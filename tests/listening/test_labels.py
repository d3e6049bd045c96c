"""The labels file: what is written comes back; every wrong line is named."""

import pytest

from listening.labels import Label, LabelsInvalid, read_labels, write_labels


def written(folder, content):
    path = folder / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_what_is_written_comes_back(tmp_path):
    labels = [
        Label("plain", "en", "neutral"),
        Label('two\nlines, "quoted"', "en", "negative"),
        Label("=1+1", "es", "neutral"),
        Label("@northwind ¡hola!", "es", "positive"),
        Label("'quoted'", "en", "neutral"),
        Label("- no", "es", "negative"),
    ]

    assert read_labels(written(tmp_path, write_labels(labels))) == labels


def test_no_text_of_a_stranger_becomes_a_formula():
    lines = write_labels([Label('=HYPERLINK("https://evil.example")', "en", "neutral")]).splitlines()

    assert lines[1].startswith("\"'=")


def test_columns_may_stand_in_any_order_and_others_beside_them(tmp_path):
    path = written(tmp_path, "\ufeffLabel,who,Text,language\r\nNEGATIVE,ana,bad,EN\r\n\r\n")

    assert read_labels(path) == [Label("bad", "en", "negative")]


def test_every_wrong_line_is_named(tmp_path):
    path = written(tmp_path, 'text,language,label\nfine,en,neutral\n"two\nlines",en,bad\n,english,positive\nx\n')

    with pytest.raises(LabelsInvalid) as refused:
        read_labels(path)
    assert str(refused.value).splitlines() == [
        f"{path}:3: label must be negative, neutral or positive, not 'bad'.",
        f"{path}:5: text is empty.",
        f"{path}:5: language must be a code of two or three letters such as en, not 'english'.",
        f"{path}:6: language must be a code of two or three letters such as en, not ''.",
        f"{path}:6: label must be negative, neutral or positive, not ''.",
    ]


def test_one_text_with_two_labels_is_wrong_and_with_the_same_label_counts_once(tmp_path):
    path = written(tmp_path, "text,language,label\nOh no,en,negative\noh  NO,en,negative\nOh no,en,neutral\n")

    with pytest.raises(LabelsInvalid, match=r":4: line 2 calls the same text negative\."):
        read_labels(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "must name the columns text, language and label; text is missing"),
        (b"text,label\na,neutral\n", "language is missing"),
        (b"text,language,label\nni\xf1o,es,neutral\n", r":2: it is not UTF-8"),
        (b'text,language,label\n"open,en,neutral\n', "it is not CSV"),
        (b"text,language,label\n" + b"a" * 200_000 + b",en,neutral\n", "it is not CSV: field larger"),
    ],
)
def test_what_is_no_table_of_labels_is_refused(tmp_path, content, said):
    with pytest.raises(LabelsInvalid, match=said):
        read_labels(written(tmp_path, content))


def test_of_very_many_wrong_lines_the_first_twenty_are_named(tmp_path):
    with pytest.raises(LabelsInvalid) as refused:
        read_labels(written(tmp_path, "text,language,label\n" + "x,en,bad\n" * 500))

    assert len(str(refused.value).splitlines()) == 21
    assert str(refused.value).endswith("... and 480 more.")
