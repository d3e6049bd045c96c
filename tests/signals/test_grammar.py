"""The controlled English: each sentence of the design is read and printed back, a wrong one refused at its place."""

import logging
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Lark

from incidents.errors import ConditionError
from signals import conditions as c
from signals import grammar
from signals.grammar import parse, read, write

HOUR = timedelta(hours=1)
ALL, NEGATIVE, COMPLAINTS = c.Subject.MENTIONS, c.Subject.NEGATIVE, c.Subject.COMPLAINTS


def minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


CANONICAL = {
    # shared/design/detection.md
    "mentions in 1 hour are clear above usual": c.AboveUsual(ALL, HOUR, "clear"),
    "mentions in 15 minutes are noticeable above usual": c.AboveUsual(ALL, minutes(15), "noticeable"),
    "at least 30 mentions in 1 hour": c.AtLeast(ALL, 30, HOUR),
    "negative mentions in 1 hour are clear above usual": c.AboveUsual(NEGATIVE, HOUR, "clear"),
    "negative share in 1 hour is above 40 %": c.Share(NEGATIVE, HOUR, Decimal(40)),
    "at least 20 mentions in 1 hour from at least 10 people": c.AtLeast(ALL, 20, HOUR, people=10),
    "at least 3 mentions in 1 hour about [poisoning, injury, allergy, recall]": c.AtLeast(
        ALL, 3, HOUR, ("poisoning", "injury", "allergy", "recall")
    ),
    "from at least 3 people": c.FromPeople(3),
    "a negative mention by somebody with more than 100000 followers": c.OneMention(NEGATIVE, 100_000),
    "reach of negative mentions in 30 minutes is above 500000": c.Reach(NEGATIVE, minutes(30), 500_000),
    "more than 25 complaints unanswered for longer than 2 hours": c.Waiting(COMPLAINTS, 25, 2 * HOUR),
    "monitoring alert [checkout, login] is firing for 5 minutes": c.Firing(("checkout", "login"), minutes(5)),
    "complaints in 30 minutes are noticeable above usual": c.AboveUsual(COMPLAINTS, minutes(30), "noticeable"),
    # the docstrings of signals/conditions.py
    "at least 20 mentions in 1 hour about [injury] from at least 10 people": c.AtLeast(
        ALL, 20, HOUR, ("injury",), False, 10
    ),
    "a mention about [recall]": c.OneMention(ALL, topics=("recall",)),
    "a negative mention by a verified account": c.OneMention(NEGATIVE, verified=True),
    "source bluesky is silent for 30 minutes": c.Silent("bluesky", minutes(30)),
    "a source is silent for 30 minutes": c.Silent(None, minutes(30)),
    # and what else they can say
    "complaint share in 2 hours is above 12.5 %": c.Share(COMPLAINTS, 2 * HOUR, Decimal("12.5")),
    "at least 5 complaints in 15 minutes about the same topic from at least 5 people": c.AtLeast(
        COMPLAINTS, 5, minutes(15), (), True, 5
    ),
    "at least 5 complaints in 15 minutes about the same topic of [login, payment]": c.AtLeast(
        COMPLAINTS, 5, minutes(15), ("login", "payment"), True
    ),
    "at least 1 negative mention in 1 minute from at least 1 person": c.AtLeast(NEGATIVE, 1, minutes(1), people=1),
    "at least 3 mentions in 1 day": c.AtLeast(ALL, 3, timedelta(days=1)),
    "a complaint": c.OneMention(COMPLAINTS),
    "a mention about [recall] by a verified account with more than 0 followers": c.OneMention(
        ALL, 0, True, ("recall",)
    ),
    "monitoring alert [shop] is firing": c.Firing(("shop",), timedelta()),
    "more than 0 mentions unanswered for longer than 7 days": c.Waiting(ALL, 0, timedelta(days=7)),
}


@pytest.mark.parametrize(("text", "condition"), CANONICAL.items(), ids=list(CANONICAL))
def test_a_sentence_is_read_and_printed_as_it_stands(text, condition):
    assert parse(text) == condition
    assert write(condition) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Mentions in 60 Minutes are CLEAR above usual", "mentions in 1 hour are clear above usual"),
        ("  mentions   in 1 hour\n are clear above usual ", "mentions in 1 hour are clear above usual"),
        ("at least 1 mentions in 24 hours", "at least 1 mention in 1 day"),
        ("negative share in 1 hour is above 40%", "negative share in 1 hour is above 40 %"),
        ("negative share in 1 hour is above 40.50 percent", "negative share in 1 hour is above 40.5 %"),
        ("at least 2 mentions in 1 hour from at least 2 persons about [Injury,  two   words]",
         "at least 2 mentions in 1 hour about [injury, two words] from at least 2 people"),
        ("a mention by someone with more than 5 followers about [recall]",
         "a mention about [recall] by somebody with more than 5 followers"),
        ("a mention by an account with more than 5 followers", "a mention by somebody with more than 5 followers"),
        ("any source is silent for 90 minutes", "a source is silent for 90 minutes"),
        ("source Bluesky is silent for 120 minutes", "source bluesky is silent for 2 hours"),
    ],
)  # fmt: skip
def test_another_way_of_writing_it_is_read_and_printed_as_it_ought_to_be(text, canonical):
    assert write(parse(text)) == canonical
    assert parse(canonical) == parse(text)


# Whatever can be asked for

windows = st.integers(1, 24 * 60).map(minutes)
waits = st.integers(1, 7 * 24 * 60).map(minutes)
subjects = st.sampled_from(c.Subject)
counts = st.integers(1, grammar.MOST)
followers = st.integers(0, grammar.MOST_FOLLOWERS)
slugs = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
spread_words = st.from_regex(r"[a-z][a-z-]{0,30}", fullmatch=True).filter(lambda word: word != "above")
items = (
    st.text(st.characters(exclude_categories=["C"], exclude_characters='[],"'), min_size=1, max_size=20)
    .map(lambda text: " ".join(text.split()).lower())
    .filter(lambda text: text != "" and text == " ".join(text.split()).lower())
)
names = st.lists(items, min_size=1, max_size=6, unique=True).map(tuple)
no_names = st.just(())
percents = st.decimals(0, 999, places=2, allow_nan=False, allow_infinity=False)

KINDS = {
    c.AboveUsual: st.builds(c.AboveUsual, subjects, windows, spread_words),
    c.Share: st.builds(c.Share, st.sampled_from([NEGATIVE, COMPLAINTS]), windows, percents),
    c.AtLeast: st.builds(c.AtLeast, subjects, counts, windows, no_names | names, st.booleans(), st.just(0) | counts),
    c.FromPeople: st.builds(c.FromPeople, counts),
    c.OneMention: st.builds(c.OneMention, subjects, st.none() | followers, st.booleans(), no_names | names),
    c.Reach: st.builds(c.Reach, subjects, windows, followers),
    c.Waiting: st.builds(c.Waiting, subjects, st.integers(0, grammar.MOST_WAITING), waits),
    c.Firing: st.builds(c.Firing, names, st.just(timedelta()) | windows),
    c.Silent: st.builds(c.Silent, st.none() | slugs, windows),
}


def test_every_kind_of_condition_is_tried():
    assert set(KINDS) == set(c.Condition.__args__)


@given(st.one_of(*KINDS.values()))
def test_what_is_written_is_read_as_the_same(condition):
    text = write(condition)
    assert parse(text) == condition
    assert write(parse(text)) == text


VOCABULARY = sorted({each for text in CANONICAL for each in re.findall(r"[\w.]+|[\[\],%]", text)})


@given(st.lists(st.sampled_from(VOCABULARY), max_size=14).map(" ".join) | st.text(max_size=60))
def test_any_text_is_either_a_condition_or_refused_at_a_place_inside_it(text):
    found = parsed_or_refused(text)
    if not isinstance(found, ConditionError):
        assert parse(write(found)) == found
        return
    assert 0 <= found.offset <= len(text)
    assert found.line == text.count("\n", 0, found.offset) + 1
    assert found.sentence.endswith((".", "?"))
    assert not re.search(r"_[A-Z]|[A-Z]{3}|Token|terminal", found.sentence.partition(", not ")[0])


def parsed_or_refused(text: str) -> c.Condition | ConditionError:
    try:
        return parse(text)
    except ConditionError as error:
        return error


# What is wrong, where, and what could stand there

BEGINNINGS = (
    "'a', 'any', 'at least', 'complaints', 'from', 'mentions', 'monitoring alert', 'more than', 'negative', "
    "'reach of' or 'source'"
)
REFUSED = [
    # (text up to the place, the rest, sentence)
    ("mentions in 1 hour are clear ", "abov usual", "Expected 'above', not 'abov'."),
    ("mentions in 1 hour are ", "above usual", "Expected how far above, such as 'clear', not 'above'."),
    ("mentions in 1 hour ", "is clear above usual", "Expected 'are', not 'is'."),
    ("mentions in 1 ", "huor are clear above usual",
     "Expected 'days', 'hours' or 'minutes', not 'huor'. Did you mean 'hour'?"),
    ("mentions in ", "1h are clear above usual", "Write the unit out: 1 hour."),
    ("mentions in ", "15 min are clear above usual", "Write the unit out: 15 minutes."),
    ("mentions in ", "the last hour are clear above usual", "Expected a number, not 'the'."),
    ("mentions in ", "0 minutes are clear above usual", "This must be at least 1 minute."),
    ("mentions in ", "25 hours are clear above usual", "This can be at most 1 day."),
    ("", "tweets in 1 hour are clear above usual",
     f"Expected {BEGINNINGS}, not 'tweets'. Did you mean 'mentions'?"),
    ("", "complants in 1 hour are clear above usual",
     f"Expected {BEGINNINGS}, not 'complants'. Did you mean 'complaints'?"),
    ("", "", f"The sentence ends too early: expected {BEGINNINGS}."),
    ("reach of negative mentions in 30 minutes is above ", "999999999999999999999999", "This number is too large."),
    ("at least ", "1000000000000 mentions in 1 hour", "This number is too large."),
    ("negative share in 1 hour is above ", "1000 %", "This number is too large."),
    ("at ", "leest 3 mentions in 1 hour", "Expected 'least', not 'leest'."),
    ("at least ", "100,000 mentions in 1 hour", "Write the number without separators: 100000."),
    ("at least ", "1.000.000 mentions in 1 hour", "Write the number without separators: 1000000."),
    ("at least ", "0 mentions in 1 hour", "This must be at least 1."),
    ("at least ", "1000001 mentions in 1 hour", "This can be at most 1000000."),
    ("at least ", "three mentions in 1 hour", "Expected a number, not 'three'."),
    ("at least 3 mentions in 1 hour about ", "injury",
     "Expected 'the' or a list in brackets such as [recall, injury], not 'injury'."),
    ("at least 3 mentions in 1 hour about [", "]", "Expected a name, not ']'."),
    ("at least 3 mentions in 1 hour about [", '"injury"]', "Expected a name, not '\"'."),
    ("at least 3 mentions in 1 hour about [injury", "", "The sentence ends too early: expected ',' or ']'."),
    ("at least 3 mentions in 1 hour about [injury, ", "Injury]", "'injury' stands here twice."),
    ("at least 3 mentions in 1 hour about [injury] ", "form at least 3 people",
     "Expected 'from' or the end of the sentence, not 'form'. Did you mean 'from'?"),
    ("at least 3 mentions in 1 hour from at least 3 ", "users", "Expected 'people', not 'users'."),
    ("a mention by somebody with more than ", "100k followers", "Write the number out: 100000."),
    ("a mention by somebody with more than ", "100 000 followers", "Write the number without separators: 100000."),
    ("a mention by an ", "influencer with many followers", "Expected 'account', not 'influencer'."),
    ("a negative mention ", "with more than 5 followers",
     "Expected 'about', 'by' or the end of the sentence, not 'with'. Did you mean 'by somebody with'?"),
    ("negative share in 1 hour is above ", "40,5 %", "Write a point in the number: 40.5."),
    ("negative share in 1 hour is above 40", "", "The sentence ends too early: expected '%' or 'percent'."),
    ("more than ", "10001 complaints unanswered for longer than 2 hours", "This can be at most 10000."),
    ("more than 25 complaints unanswered for longer than ", "8 days", "This can be at most 7 days."),
    ("monitoring alert ", "checkout is firing",
     "Expected a list in brackets such as [recall, injury], not 'checkout'."),
    ("mentions in 1 hour\nare clear ", "over usual", "Expected 'above', not 'over'."),
]  # fmt: skip


@pytest.mark.parametrize(("before", "rest", "sentence"), REFUSED, ids=[f"{each[0]}|{each[1]}" for each in REFUSED])
def test_a_wrong_sentence_is_refused_where_it_goes_wrong_in_words(before, rest, sentence):
    with pytest.raises(ConditionError) as refused:
        parse(before + rest)
    error = refused.value
    assert error.sentence == sentence
    last_line = before.rsplit("\n", 1)[-1]
    at_the_end = last_line if rest else last_line.rstrip()
    assert (error.line, error.column) == (before.count("\n") + 1, len(at_the_end) + 1)


def test_a_sentence_that_never_ends_is_not_read_to_its_end():
    with pytest.raises(ConditionError, match="longer than 1000 characters"):
        parse("a mention about [" + "x" * 100_000)


def test_a_list_has_a_limit():
    many = ", ".join(f"word{number}" for number in range(51))
    with pytest.raises(ConditionError, match="at most 50 names"):
        parse(f"a mention about [{many}]")


def test_the_names_of_a_sentence_are_known_with_their_places():
    text = "a mention about [recall,  food  poisoning]"
    assert [(each.kind, each.name, text[each.offset :][:4]) for each in read(text).names] == [
        ("topic", "recall", "reca"),
        ("topic", "food poisoning", "food"),
    ]
    assert [each.kind for each in read("monitoring alert [checkout] is firing").names] == ["alert"]
    assert [(each.kind, each.name, each.offset) for each in read("source x is silent for 1 hour").names] == [
        ("source", "x", 7)
    ]
    assert [(each.kind, each.name, each.offset) for each in read("mentions in 1 hour are Clear above usual").names] == [
        ("word", "clear", 23)
    ]


# The sentences around the rules


@given(st.none() | waits)
def test_when_families_agree_is_read_and_written(within):
    assert grammar.parse_raising(grammar.write_raising(within)) == within


@given(waits)
def test_what_belongs_together_and_what_is_quiet_is_read_and_written(length):
    assert grammar.parse_joining(grammar.write_joining(length)) == length
    assert grammar.parse_calming(grammar.write_calming(length)) == length
    assert grammar.parse_length(grammar.write_length(length), timedelta(days=7)) == length


def test_only_two_families_can_be_asked_for():
    with pytest.raises(ConditionError, match="write 2") as refused:
        grammar.parse_raising("rules from 3 different families hold within 2 hours")
    assert refused.value.column == 12


def test_one_kind_of_sentence_is_not_taken_for_another():
    with pytest.raises(ConditionError, match=r"Expected 'never' or 'rules', not 'mentions'\."):
        grammar.parse_raising("mentions in 1 hour are clear above usual")


def test_the_grammar_has_no_conflict(caplog):
    """Lark settles a conflict in silence unless it is asked to tell."""
    language = grammar._language()
    options = {"start": language.options.start, "parser": "lalr", "lexer": "contextual", "maybe_placeholders": False}
    with caplog.at_level(logging.DEBUG, logger="lark"):
        Lark(language.source_grammar, debug=True, **options)
    assert [each.message for each in caplog.records if "conflict" in each.message.lower()] == []


def test_a_conflict_would_be_told(caplog):
    dangling = 'start: "a" start | "a" start "b" start | "c"'
    with caplog.at_level(logging.DEBUG, logger="lark"):
        Lark(dangling, debug=True, parser="lalr")
    assert [each for each in caplog.records if "conflict" in each.message.lower()]
