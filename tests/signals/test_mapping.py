"""A plan says how a body becomes signals; whatever stands in a body, reading it takes no longer than its length."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from incidents.errors import SignalRefused
from signals.expressions import Budget, evaluator
from signals.mapping import DEEPEST, LONGEST_TEXT, MOST_SIGNALS, Mapping, signals_of
from signals.signal import Signal


def mapping(**parts: Any) -> Mapping:
    return Mapping.model_validate({"summary": "$.title", "dedup_key": "$.id", **parts})


def signals(body: object, **parts: Any) -> list[Signal]:
    return signals_of(mapping(**parts), body, json.dumps(body).encode())


def text(expression: str, entry: object, body: object = None) -> str | None:
    return evaluator(expression)(entry, entry if body is None else body, Budget(10_000))


def test_parts_are_found_by_path_by_template_and_by_plain_words():
    body = {"title": "Disk full", "id": 7, "host": {"name": "web-1"}, "ok": False}
    (signal,) = signals(
        body,
        severity="critical",
        source="{{ host.name }}:{{ item.id }}/{{ body.ok }}",
        labels={"host": "$.host.name", "none": "$.nowhere", "list": "$.host"},
    )

    assert (signal.action, signal.dedup_key, signal.summary) == ("trigger", "7", "Disk full")
    assert (signal.severity_word, signal.source) == ("critical", "web-1:7/false")
    assert signal.labels == {"host": "web-1"}, "what is not there, or is no text, is left out"


def test_a_list_in_a_body_gives_a_signal_an_entry():
    body = {"site": "eu", "alerts": [{"id": "a", "title": "A", "s": "bad"}, {"id": "b", "title": "B", "s": "OK"}]}
    action = {"of": "$.s", "resolve": ["ok"]}

    found = signals(body, each="$.alerts[*]", action=action, labels={"site": "{{ body.site }}"})

    assert [(each.action, each.dedup_key, each.labels) for each in found] == [
        ("trigger", "a", {"site": "eu"}),
        ("resolve", "b", {"site": "eu"}),
    ]
    assert (found[0].body, found[1].body) == (json.dumps(body).encode(), b""), "the body is kept once"


@pytest.mark.parametrize(
    ("state", "action"),
    [("up", "resolve"), (" UP ", "resolve"), ("seen", "acknowledge"), ("test", None), ("down", "trigger"),
     ("", "trigger"), (None, "trigger"), (7, "trigger"), ({}, "trigger")],
)  # fmt: skip
def test_what_is_no_known_word_triggers(state: object, action: str | None):
    words = {"of": "$.state", "resolve": ["up"], "acknowledge": ["seen"], "ignore": ["test"]}

    found = signals({"title": "T", "id": "1", "state": state}, action=words)

    assert [each.action for each in found] == ([] if action is None else [action])


def test_a_resolve_needs_no_summary():
    (signal,) = signals({"id": "1", "s": "up"}, action={"of": "$.s", "resolve": ["up"]})
    assert signal.summary == "resolve of 1"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"id": "1"}, "summary: $.title finds no text in this body"),
        ({"title": "T"}, "dedup_key: $.id finds no text in this body"),
        ({"title": {"a": 1}, "id": "1"}, "summary: $.title finds no text in this body"),
        ({"title": " \n", "id": "1"}, "summary: $.title finds no text in this body"),
        ({"title": "T", "id": ""}, "dedup_key: $.id finds no text in this body"),
        ("text", "dedup_key: $.id finds no text in this body"),
        ([], "dedup_key: $.id finds no text in this body"),
    ],
)
def test_what_is_needed_and_not_there_is_named(body: object, problem: str):
    with pytest.raises(SignalRefused) as refused:
        signals(body)
    assert problem in refused.value.problems


@pytest.mark.parametrize(
    ("body", "each"),
    [
        ({"problems": []}, "$.problems[*]"),
        ({"problems": []}, "$.problems.*"),
        ({"problems": []}, "$['problems'][*].alert"),
        ({"a[*]": []}, "$['a[*]'][*]"),
        ([], "$[*]"),
        ({"groups": []}, "$.groups[*].problems[*]"),
        ({"groups": [{"problems": []}]}, "$.groups[*].problems[*]"),
    ],
)
def test_a_list_without_entries_is_no_signal_and_no_mistake(body: object, each: str):
    assert signals(body, each=each) == []


@pytest.mark.parametrize(
    ("body", "each"),
    [
        ({}, "$.problems[*]"),
        ({"problems": None}, "$.problems[*]"),
        ({"problems": "none"}, "$.problems[*]"),
        ({"problems": [{"id": "1"}]}, "$.problems[*].alert"),
        ({"groups": [{"id": "1"}]}, "$.groups[*].problems[*]"),
    ],
)
def test_entries_that_are_looked_for_where_no_list_is_are_a_mistake(body: object, each: str):
    with pytest.raises(SignalRefused, match=r"^each: .* finds nothing"):
        signals(body, each=each)


def test_one_entry_that_does_not_fit_refuses_the_body_and_is_named_by_its_number():
    with pytest.raises(SignalRefused, match=r"^1\.summary"):
        signals([{"id": "1", "title": "T"}, {"id": "2"}], each="$[*]")
    with pytest.raises(SignalRefused, match=r"^each: .* finds nothing"):
        signals({"alarms": []}, each="$.alerts[*]")
    with pytest.raises(SignalRefused, match=r"^each: .* at most"):
        signals([{"id": "1", "title": "T"}] * (MOST_SIGNALS + 1), each="$[*]")


def test_a_body_is_cut_where_it_is_long_and_refused_where_it_is_deep():
    deep: Any = "x"
    for _ in range(DEEPEST + 1):
        deep = [deep]
    with pytest.raises(SignalRefused, match="levels deep"):
        signals({"id": "1", "title": "T", "deep": deep})

    (signal,) = signals({"id": "k" * 7_000, "title": "T" * 100_000}, labels={"t": "$.title"})
    assert (len(signal.dedup_key), len(signal.summary)) == (255, 200)
    assert len(signal.labels["t"]) < LONGEST_TEXT
    (other,) = signals({"id": "k" * 6_999 + "z", "title": "T"})
    assert other.dedup_key != signal.dedup_key, "a long key is cut so that it stays another one"


@pytest.mark.parametrize(
    ("expression", "entry", "expected"),
    [
        ("{{ a }}", {"a": None}, ""),
        ("{{ items }}", {"items": "a key, not a method"}, "a key, not a method"),
        ("{{ item.keys }}", {"keys": "k"}, "k"),
        ("{{ a.b.c }}", {"a": {}}, None),
        ("{{ nowhere }}", {}, None),
        ("{{ nowhere | default('x') }}", {}, "x"),
        ("{{ a.b | default('x') }}", {"a": {}}, "x"),
        ("{{ a | default('x', true) }}", {"a": ""}, "x"),
        ("{{ a | upper }}-{{ b | lower }}", {"a": "x", "b": "Y"}, "X-y"),
        ("{{ a[0] }}{{ a | last }}{{ a | length }}", {"a": ["p", "q"]}, "pq2"),
        ("{{ a | join(', ') }}", {"a": ["p", 7, True]}, "p, 7, true"),
        ("{{ a | replace('down', 'up') }}", {"a": "is down"}, "is up"),
        ("{{ a | truncate(3) }}", {"a": "abcdef"}, "abc"),
        ("{% if n > 5 %}many{% elif n == 5 %}five{% else %}few{% endif %}", {"n": 7}, "many"),
        ("{{ 'bad' if state in ['down', 'gone'] else 'good' }}", {"state": "gone"}, "bad"),
        ("{{ 'yes' if a is defined and not b else 'no' }}", {"a": 1, "b": False}, "yes"),
        ("{% if n > 5 %}x{% endif %}", {"n": "seven"}, None),
        ("{{ a }}", {"a": {"b": 1}}, None),
        ("$.a[?@.n == 'x'].v", {"a": [{"n": "y", "v": 1}, {"n": "x", "v": 2}]}, "2"),
        ("$..v", {"a": [{"v": "deep"}]}, "deep"),
        ("$.a[-1:]", {"a": ["p", "q"]}, "q"),
        ("$['a.b']", {"a.b": "odd key"}, "odd key"),
        ("$.a", {"a": 1.5}, "1.5"),
        ("plain words", {}, "plain words"),
    ],
)
def test_expressions(expression: str, entry: object, expected: str | None):
    assert text(expression, entry) == expected


REFUSED = [
    "{% for x in a %}{{ x }}{% endfor %}",
    "{% for x in a %}{% for y in a %}{% for z in a %}x{% endfor %}{% endfor %}{% endfor %}",
    "{% macro m() %}{% endmacro %}",
    "{% set a = 'x' %}",
    "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% extends 'x' %}",
    "{% raw %}{{ a }}{% endraw %}{% block b %}{% endblock %}",
    "{% filter upper %}x{% endfilter %}",
    "{% with a = 1 %}{% endwith %}",
    "{{ range(1000000000) }}",
    "{{ a() }}",
    "{{ a.b.c() }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ 'x' * 1000000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ a ~ a }}",
    "{{ a + a }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ a | format }}",
    "{{ a | map('upper') }}",
    "{{ a | random }}",
    "{{ a is divisibleby 3 }}",
    "{{ {'a': 1} }}",
    "{{ lipsum }}{{ cycler('a') }}",
    "{{",
    "{% if %}",
    "{{ a | nowhere }}",
    "{{ " + "(" * 900 + "a" + ")" * 900 + " }}",
    "$..a..b",
    "$[*,*][*,*][*,*]",
    "$['a','b']",
    "$[?match(@.a, @.b)]",
    "$[?search(@.a, '(a+)+$')]",
    "$[?count(@..*) > 3]",
    "$[?length(@.a) > 3]",
    "$[?@..a == 1]",
    "$[?@[*] == 1]",
    "$[?$.a == @.b]",
    "$[",
    "$.a |",
    "$" + "[?(" * 400,
]


@pytest.mark.parametrize("expression", REFUSED, ids=lambda text: text[:40])
def test_what_might_take_long_or_reach_anything_else_is_no_expression(expression: str):
    with pytest.raises(ValidationError) as refused:
        mapping(summary=expression)
    (error,) = refused.value.errors()
    assert error["loc"] == ("summary",)
    assert len(error["msg"]) < 3000


def test_an_attribute_that_python_has_is_not_there():
    for expression in (
        "{{ a.__class__ }}",
        "{{ a['__class__'] }}",
        "{{ a.upper }}",
        "{{ item.__init__ }}",
    ):
        assert text(expression, {"a": "x"}) is None, expression


def test_a_template_writes_only_so_much():
    entry = {"a": "x" * LONGEST_TEXT, "many": ["y" * LONGEST_TEXT] * 200}

    for expression in ("{{ a }}" * 280, "{{ many | join('-----') }}", "{{ a | replace('x', '12345678901234567890') }}"):
        assert len(text(expression, entry) or "") <= 4_000
    assert text("{{ a | replace('x', '123456789012345678901') }}", entry) is None


@pytest.mark.parametrize(
    "parts",
    [
        {"labels": {f"l{number}": "$..nowhere" for number in range(50)}},
        {"labels": {f"l{number}": "$.xs[?@.a == 'y' && @.b != 3].c" for number in range(50)}},
        {"labels": {f"l{number}": "{{ title | upper }}" * 100 for number in range(50)}, "each": "$.xs[*]"},
        {"each": "$..[?@.a != 'x']"},
    ],
)
def test_what_would_take_too_long_is_refused_before_it_does(parts: dict[str, Any]):
    entry = {"id": "1", "title": "T", "a": "x", "b": {"c": [1, 2]}}
    body = {"id": "1", "title": "T", "xs": [{**entry, "id": str(number)} for number in range(5_000)]}
    body["xs"] = body["xs"][:900] if parts.get("each") == "$.xs[*]" else body["xs"]

    with pytest.raises(SignalRefused, match=r"too long|at most 1000"):
        signals(body, **parts)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "title", "a", "s"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(_json)
def test_any_body_gives_signals_or_a_refusal(body: object):
    parts = {"severity": "{{ item.a.s | default(s) }}", "labels": {"x": "$..a", "y": "{{ title | upper }}"},
             "action": {"of": "$.s", "resolve": ["x"]}, "each": "$..[?@.id != 'none']"}  # fmt: skip
    for chosen in (parts, {key: value for key, value in parts.items() if key != "each"}):
        with contextlib.suppress(SignalRefused):
            for each in signals(body, **chosen):
                assert 0 < len(each.summary) <= 200
                assert 0 < len(each.dedup_key) <= 255
