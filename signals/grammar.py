"""The controlled English of thresholds.yaml: sentences are read into data and written back. Pure.

`parse(text)` reads a condition, `write(condition)` prints it as it ought to be written; `write(parse(text))` is the
canonical text, and `parse(write(condition)) == condition`. A ConditionError says where reading stopped and what could
stand there, in words. Capital letters and blanks do not matter. The grammar is LALR(1) without conflicts.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any, Literal, cast

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from incidents.errors import ConditionError
from signals.conditions import (
    AboveUsual,
    AtLeast,
    Condition,
    Firing,
    FromPeople,
    OneMention,
    Reach,
    Share,
    Silent,
    Subject,
    Waiting,
)

LENGTH_LIMIT = 1000
"""Characters of a sentence; one with twenty topics has 400."""
MOST = 1_000_000
"""The highest number of mentions, complaints or people that a rule may ask for."""
MOST_WAITING = 10_000
"""Conversations without an answer are remembered one by one, so no rule may ask for more."""
MOST_FOLLOWERS = 100_000_000_000
NAMES_LIMIT = 50
"""Topics or alerts in one list."""
LONGEST_WINDOW = timedelta(hours=24)
LONGEST_WAIT = timedelta(days=7)

_KEYWORDS = {
    "A": "a",
    "ABOUT": "about",
    "ABOVE": "above",
    "ACCOUNT": "account",
    "ALERT": "alert",
    "AN": "an",
    "ANY": "any",
    "ARE": "are",
    "AT": "at",
    "BEEN": "been",
    "BELONG": "belong",
    "BY": "by",
    "COMPLAINTS": "complaints?",
    "DAYS": "days?",
    "DIFFERENT": "different",
    "EVERY": "every",
    "FAMILIES": "families",
    "FIRING": "firing",
    "FOLLOWERS": "followers?",
    "FOR": "for",
    "FROM": "from",
    "HAS": "has",
    "HOLD": "hold",
    "HOURS": "hours?",
    "IN": "in",
    "INCIDENT": "incident",
    "IS": "is",
    "LEAST": "least",
    "LONGER": "longer",
    "MENTIONS": "mentions?",
    "MINUTES": "minutes?",
    "MONITORING": "monitoring",
    "MORE": "more",
    "NEGATIVE": "negative",
    "NEVER": "never",
    "OF": "of",
    "PEOPLE": "people|persons?",
    "PERCENT": "percent",
    "QUIET": "quiet",
    "REACH": "reach",
    "RULE": "rule",
    "RULES": "rules",
    "SAME": "same",
    "SHARE": "share",
    "SILENT": "silent",
    "SOMEBODY": "somebody|someone",
    "SOURCE": "source",
    "START": "start",
    "THAN": "than",
    "THAT": "that",
    "THE": "the",
    "TO": "to",
    "TOPIC": "topic",
    "UNANSWERED": "unanswered",
    "USUAL": "usual",
    "VERIFIED": "verified",
    "WITH": "with",
    "WITHIN": "within",
}
"""Each word of the language as a pattern. A `?` takes in the singular."""

_RULES = r"""
condition: above_usual | share | at_least | people | one_mention | reach | waiting | firing | silent

above_usual: subject _IN span _ARE WORD _ABOVE _USUAL
share: share_of _SHARE _IN span _IS _ABOVE DECIMAL _percent
at_least: _AT _LEAST NUMBER subject _IN span (_about people? | people _about?)?
people: _FROM _AT _LEAST NUMBER _PEOPLE
one_mention: _A subject (topics by? | by topics?)?
reach: _REACH _OF subject _IN span _IS _ABOVE NUMBER
waiting: _MORE _THAN NUMBER subject _UNANSWERED _FOR _LONGER _THAN span
firing: _MONITORING _ALERT list _IS _FIRING (_FOR span)?
silent: (_SOURCE NAME | (_A | _ANY) _SOURCE) _IS _SILENT _FOR span

subject: MENTIONS | NEGATIVE MENTIONS | COMPLAINTS
share_of: NEGATIVE | COMPLAINTS
_about: topics | same_topic
topics: _ABOUT list
same_topic: _ABOUT _THE _SAME _TOPIC (_OF list)?
by: _BY (_SOMEBODY _following | _AN _ACCOUNT _following | _A VERIFIED _ACCOUNT _following?)
_following: _WITH _MORE _THAN NUMBER _FOLLOWERS
list: "[" ITEM ("," ITEM)* "]"
span: NUMBER (MINUTES | HOURS | DAYS)
_percent: "%" | _PERCENT

raising: NEVER | _RULES _FROM NUMBER _DIFFERENT _FAMILIES _HOLD _WITHIN span
joining: _RULES _THAT _START _WITHIN span _BELONG _TO _THE _SAME _INCIDENT
calming: _EVERY _RULE _HAS _BEEN _QUIET _FOR span
length: span

NUMBER: /[0-9]{1,12}(?!\w)/
DECIMAL: /[0-9]{1,3}(\.[0-9]{1,2})?(?!\w)/
WORD: /(?!above(?!\w))[^\W\d_][\w-]*/i
NAME: /[a-z0-9][a-z0-9-]*(?!\w)/i
ITEM: /[^\s\[\],"][^\[\],"]*/
%ignore /\s+/
"""
_KEPT = frozenset({"COMPLAINTS", "DAYS", "HOURS", "MENTIONS", "MINUTES", "NEGATIVE", "NEVER", "VERIFIED"})
"""Words that make a difference; the others are only there to be read, and Lark drops what begins with an underscore."""

_UNITS = {"MINUTES": timedelta(minutes=1), "HOURS": timedelta(hours=1), "DAYS": timedelta(days=1)}
_EXPECTED = {
    "$END": "the end of the sentence",
    "_AT": "'at least'",
    "_LONGER": "'longer than'",
    "_MONITORING": "'monitoring alert'",
    "_MORE": "'more than'",
    "_REACH": "'reach of'",
    "_WITH": "'with more than'",
    "COMMA": "','",
    "DECIMAL": "a number",
    "ITEM": "a name",
    "LSQB": "a list in brackets such as [recall, injury]",
    "NAME": "the name of a source",
    "NUMBER": "a number",
    "PERCENT": "'%'",
    "RSQB": "']'",
    "WORD": "how far above, such as 'clear'",
}
"""What people call that which is no single word of the language."""
_MEANT = {
    ">": "above",
    "article": "mention",
    "articles": "mentions",
    "author": "person",
    "authors": "people",
    "exceeds": "is above",
    "fans": "followers",
    "greater": "above",
    "higher": "above",
    "over": "above",
    "post": "mention",
    "posts": "mentions",
    "tweet": "mention",
    "tweets": "mentions",
    "user": "person",
    "users": "people",
    "with": "by somebody with",
}
"""What people may write instead. Told only where the right word can stand."""
_SHORT_UNITS = {"h": "hour", "hr": "hour", "hrs": "hour", "m": "minute", "min": "minute", "mins": "minute", "d": "day"}


@dataclass(frozen=True, slots=True)
class Named:
    """A name in a sentence that something outside of it must know."""

    kind: Literal["word", "topic", "alert", "source"]
    name: str
    offset: int
    """Characters before it in the sentence."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A condition as read, and the names in it."""

    condition: Condition
    names: tuple[Named, ...] = ()


def parse(text: str) -> Condition:
    """The condition that a sentence asks for. ConditionError when it is none."""
    return read(text).condition


@lru_cache(maxsize=4096)
def read(text: str) -> Reading:
    """`parse`, with the names and where they stand. ConditionError."""
    (tree,) = _trees(text, "condition")
    return Reading(_CONDITIONS[tree.data](tree, text), tuple(_names(tree)))


def parse_length(text: str, most: timedelta) -> timedelta:
    """`14 days`, `90 minutes`. ConditionError for anything else, for 0 and for more than `most`."""
    return _span(_trees(text, "length")[0], text, most)


def parse_raising(text: str) -> timedelta | None:
    """`rules from 2 different families hold within 2 hours`; None for `never`. ConditionError."""
    parts = _trees(text, "raising")
    if len(parts) == 1:
        return None
    number, span = cast(Token, parts[0]), parts[1]
    if int(number) != 2:
        raise ConditionError(f"Two families that agree are asked for, never {number}: write 2.", text, _at(number))
    return _span(span, text, LONGEST_WAIT)


def parse_joining(text: str) -> timedelta:
    """`rules that start within 12 hours belong to the same incident`. ConditionError."""
    return _span(_trees(text, "joining")[0], text, LONGEST_WAIT)


def parse_calming(text: str) -> timedelta:
    """`every rule has been quiet for 2 hours`. ConditionError."""
    return _span(_trees(text, "calming")[0], text, LONGEST_WAIT)


# Reading


@cache
def _language() -> Lark:
    """Built when the first sentence is read: it takes a moment."""
    words = [
        f"{name if name in _KEPT else '_' + name}: /(?:{pattern})(?![\\w-])/i" for name, pattern in _KEYWORDS.items()
    ]
    starts = ["condition", "raising", "joining", "calming", "length"]
    return Lark("\n".join([_RULES, *words]), start=starts, parser="lalr", lexer="contextual", maybe_placeholders=False)


def _trees(text: str, start: str) -> list[Any]:
    """What a sentence of this kind consists of. ConditionError where it stops being one."""
    if len(text) > LENGTH_LIMIT:
        raise ConditionError(f"This is longer than {LENGTH_LIMIT} characters.", text, LENGTH_LIMIT)
    reading: Any = _language().parse_interactive(text, start=start)  # Lark has no types here
    done = 0
    try:
        for token in reading.lexer_thread.lex(reading.parser_state):
            reading.feed_token(token)
            done = token.end_pos or done
        return list(reading.feed_eof().children)
    except UnexpectedInput:
        sentence, offset = _refusal(text, done, reading.accepts())
        raise ConditionError(sentence, text, offset) from None


def _at(token: Token) -> int:
    return token.start_pos or 0


def _part(tree: "Tree[Token]", name: str) -> "Tree[Token] | None":
    return next(tree.find_data(name), None)


def _token(tree: "Tree[Token]", name: str) -> Token:
    """The first such token of a tree that is known to have one."""
    return next(each for each in tree.scan_values(lambda each: isinstance(each, Token) and each.type == name))


def _subject(tree: "Tree[Token]") -> Subject:
    part = _part(tree, "subject") or _part(tree, "share_of")
    assert part is not None
    kinds = {"MENTIONS": Subject.MENTIONS, "NEGATIVE": Subject.NEGATIVE, "COMPLAINTS": Subject.COMPLAINTS}
    return kinds[cast(Token, part.children[0]).type]


def _number(token: Token, text: str, least: int = 1, most: int = MOST) -> int:
    number = int(token)
    if number < least:
        raise ConditionError(f"This must be at least {least}.", text, _at(token))
    if number > most:
        raise ConditionError(f"This can be at most {most}.", text, _at(token))
    return number


def _span(tree: "Tree[Token]", text: str, most: timedelta) -> timedelta:
    number, unit = cast(list[Token], tree.children)
    if int(number) == 0:
        raise ConditionError("This must be at least 1 minute.", text, _at(number))
    if int(number) > most / _UNITS[unit.type]:
        raise ConditionError(f"This can be at most {write_length(most)}.", text, _at(number))
    return int(number) * _UNITS[unit.type]


def _window(tree: "Tree[Token]", text: str, most: timedelta = LONGEST_WINDOW) -> timedelta:
    span = _part(tree, "span")
    assert span is not None
    return _span(span, text, most)


def _items(tree: "Tree[Token]", text: str) -> tuple[str, ...]:
    """The names in brackets, in lower case, each once."""
    found: dict[str, None] = {}
    for token in tree.scan_values(lambda each: isinstance(each, Token) and each.type == "ITEM"):
        name = _name(token)
        if name in found:
            raise ConditionError(f"{name!r} stands here twice.", text, _at(token))
        if len(found) == NAMES_LIMIT:
            raise ConditionError(f"A list has at most {NAMES_LIMIT} names.", text, _at(token))
        found[name] = None
    return tuple(found)


def _name(token: str) -> str:
    return " ".join(token.split()).lower()


def _people(tree: "Tree[Token]", text: str) -> int:
    part = _part(tree, "people")
    return 0 if part is None else _number(_token(part, "NUMBER"), text)


def _names(tree: "Tree[Token]") -> Iterable[Named]:
    kinds: dict[str, Literal["word", "source"]] = {"WORD": "word", "NAME": "source"}
    for token in tree.scan_values(lambda each: isinstance(each, Token) and each.type in ("WORD", "NAME", "ITEM")):
        listed: Literal["alert", "topic"] = "alert" if tree.data == "firing" else "topic"
        yield Named(kinds.get(token.type, listed), _name(token), _at(token))


def _above_usual(tree: "Tree[Token]", text: str) -> Condition:
    return AboveUsual(_subject(tree), _window(tree, text), _name(_token(tree, "WORD")))


def _share(tree: "Tree[Token]", text: str) -> Condition:
    return Share(_subject(tree), _window(tree, text), Decimal(_token(tree, "DECIMAL")))


def _at_least(tree: "Tree[Token]", text: str) -> Condition:
    return AtLeast(
        _subject(tree),
        _number(_token(tree, "NUMBER"), text),
        _window(tree, text),
        _items(tree, text),
        _part(tree, "same_topic") is not None,
        _people(tree, text),
    )


def _from_people(tree: "Tree[Token]", text: str) -> Condition:
    return FromPeople(_people(tree, text))


def _one_mention(tree: "Tree[Token]", text: str) -> Condition:
    by = _part(tree, "by")
    said = [] if by is None else cast(list[Token], by.children)
    numbers = [_number(each, text, 0, MOST_FOLLOWERS) for each in said if each.type == "NUMBER"]
    return OneMention(
        _subject(tree),
        numbers[0] if numbers else None,
        any(each.type == "VERIFIED" for each in said),
        _items(tree, text),
    )


def _reach(tree: "Tree[Token]", text: str) -> Condition:
    return Reach(_subject(tree), _window(tree, text), _number(cast(Token, tree.children[-1]), text, 0, MOST_FOLLOWERS))


def _waiting(tree: "Tree[Token]", text: str) -> Condition:
    number = _number(_token(tree, "NUMBER"), text, 0, MOST_WAITING)
    return Waiting(_subject(tree), number, _window(tree, text, LONGEST_WAIT))


def _firing(tree: "Tree[Token]", text: str) -> Condition:
    lasting = timedelta() if _part(tree, "span") is None else _window(tree, text)
    return Firing(_items(tree, text), lasting)


def _silent(tree: "Tree[Token]", text: str) -> Condition:
    source = tree.children[0]
    return Silent(_name(source) if isinstance(source, Token) else None, _window(tree, text))


_CONDITIONS: dict[str, Callable[["Tree[Token]", str], Condition]] = {
    "above_usual": _above_usual,
    "share": _share,
    "at_least": _at_least,
    "people": _from_people,
    "one_mention": _one_mention,
    "reach": _reach,
    "waiting": _waiting,
    "firing": _firing,
    "silent": _silent,
}


# What to say when it cannot be read


def _refusal(text: str, done: int, accepted: set[str]) -> tuple[str, int]:
    """The sentence that helps, and where it points; everything before `done` was read."""
    offset = done + len(text[done:]) - len(text[done:].lstrip())
    told = _number_as_written(text, done, offset)
    if told is not None:
        return told
    words = [_word(each) for each in accepted]
    expected = _either(sorted(words, key=lambda each: (not each.startswith("'"), each)))
    found = re.compile(r"[\w%]+(?:[-'\u2019.][\w]+)*|\S").match(text, offset)
    if found is None:
        return f"The sentence ends too early: expected {expected}.", len(text.rstrip())
    given = found.group()[:60]
    if given.isdecimal() and not accepted.isdisjoint(("NUMBER", "DECIMAL")):
        return "This number is too large.", offset
    meant = _probably_meant(given, accepted)
    hint = "" if meant is None or expected == repr(meant) else f" Did you mean {meant!r}?"
    return f"Expected {expected}, not {given!r}.{hint}", offset


def _number_as_written(text: str, done: int, offset: int) -> tuple[str, int] | None:
    """Numbers that people write in their own way: 100,000, 100 000, 100k, 2h."""
    before = re.search(r"[0-9]+$", text[:done])
    start = offset if before is None else before.start()
    grouped = re.compile(r"[0-9]{1,3}(?:[,.'\u2019\s][0-9]{3})+(?!\w)").match(text, start)
    if grouped is not None and grouped.end() > done:
        plain = re.sub(r"\D", "", grouped.group())
        return f"Write the number without separators: {plain}.", start
    fraction = re.compile(r"([0-9]+),([0-9]+)").match(text, start)
    if fraction is not None and fraction.end() > done:
        return f"Write a point in the number: {fraction[1]}.{fraction[2]}.", start
    short = re.compile(r"([0-9]+)\s*([a-z]+)(?!\w)", re.IGNORECASE).match(text, start)
    if short is None or short.end() <= done:
        return None
    zeros = {"k": "000", "mio": "000000"}.get(short[2].lower())
    unit = _SHORT_UNITS.get(short[2].lower())
    if zeros is not None and before is None:
        return f"Write the number out: {short[1]}{zeros}.", start
    if unit is not None:
        return f"Write the unit out: {_many(int(short[1]), unit)}.", start
    return None


def _word(terminal: str) -> str:
    """How people call a terminal."""
    known = _EXPECTED.get(terminal)
    return known or repr(_plural(terminal))


def _plural(terminal: str) -> str:
    return _KEYWORDS[terminal.removeprefix("_")].partition("|")[0].replace("?", "")


def _either(words: list[str]) -> str:
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _probably_meant(given: str, accepted: set[str]) -> str | None:
    keywords = [each for each in accepted if each.removeprefix("_") in _KEYWORDS]
    words = {form: form for each in keywords for form in _forms(each)}
    word = given.lower()
    meant = _MEANT.get(word)
    if meant is not None and meant.split()[0] in words:
        return meant
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    return near[0] if near and near[0] != word else None


def _forms(terminal: str) -> Iterable[str]:
    """Every way in which a word is written: `complaint`, `complaints`."""
    for pattern in _KEYWORDS[terminal.removeprefix("_")].split("|"):
        yield pattern.replace("?", "")
        if pattern.endswith("s?"):
            yield pattern.removesuffix("s?")


# Writing


def write(condition: Condition) -> str:
    """The sentence of a condition, as it ought to be written. The same condition always gives the same text."""
    match condition:
        case AboveUsual():
            return f"{condition.subject} in {write_length(condition.window)} are {condition.word} above usual"
        case Share():
            what = "complaint" if condition.subject is Subject.COMPLAINTS else "negative"
            return f"{what} share in {write_length(condition.window)} is above {_decimal(condition.percent)} %"
        case AtLeast():
            counted = f"at least {_counted(condition.number, condition.subject)} in {write_length(condition.window)}"
            about = _about_same(condition.topics) if condition.same_topic else _about(condition.topics)
            return counted + about + (f" {_from(condition.people)}" if condition.people else "")
        case FromPeople():
            return _from(condition.people)
        case OneMention():
            return f"a {_singular(condition.subject)}{_about(condition.topics)}{_by(condition)}"
        case Reach():
            return f"reach of {condition.subject} in {write_length(condition.window)} is above {condition.above}"
        case Waiting():
            what = _counted(condition.more_than, condition.subject)
            return f"more than {what} unanswered for longer than {write_length(condition.longer_than)}"
        case Firing():
            lasting = f" for {write_length(condition.lasting)}" if condition.lasting else ""
            return f"monitoring alert {_list(condition.names)} is firing{lasting}"
        case Silent():
            source = "a source" if condition.source is None else f"source {condition.source}"
            return f"{source} is silent for {write_length(condition.lasting)}"


def write_length(length: timedelta) -> str:
    """`90 minutes`, `2 hours`, `14 days`: the largest unit that leaves no rest. Seconds are not written."""
    minutes = int(length.total_seconds()) // 60
    for unit, size in (("day", 1440), ("hour", 60)):
        if minutes and minutes % size == 0:
            return _many(minutes // size, unit)
    return _many(minutes, "minute")


def write_raising(within: timedelta | None) -> str:
    if within is None:
        return "never"
    return f"rules from 2 different families hold within {write_length(within)}"


def write_joining(within: timedelta) -> str:
    return f"rules that start within {write_length(within)} belong to the same incident"


def write_calming(quiet: timedelta) -> str:
    return f"every rule has been quiet for {write_length(quiet)}"


def _many(number: int, one: str) -> str:
    return f"{number} {one}" if number == 1 else f"{number} {one}s"


def _counted(number: int, subject: Subject) -> str:
    return f"{number} {_singular(subject) if number == 1 else subject}"


def _singular(subject: Subject) -> str:
    return subject.value.removesuffix("s")


def _from(people: int) -> str:
    return f"from at least {people} {'person' if people == 1 else 'people'}"


def _about(topics: tuple[str, ...]) -> str:
    return f" about {_list(topics)}" if topics else ""


def _about_same(topics: tuple[str, ...]) -> str:
    return " about the same topic" + (f" of {_list(topics)}" if topics else "")


def _list(names: tuple[str, ...]) -> str:
    return f"[{', '.join(names)}]"


def _by(condition: OneMention) -> str:
    following = f" with more than {condition.followers} followers"
    who = "a verified account" if condition.verified else "somebody"
    if condition.followers is not None:
        return f" by {who}{following}"
    return f" by {who}" if condition.verified else ""


def _decimal(number: Decimal) -> str:
    return f"{number:f}".rstrip("0").rstrip(".") if "." in f"{number:f}" else f"{number:f}"
