"""What the models cannot see of `noise` and `heartbeats` in plan.yaml. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

from contacts.walltime import begins, ends, is_zone, zone
from incidents.durations import write_duration
from incidents.severity import Severity
from runbooks.findings import repeated, unknown, warning
from runbooks.noise import Maintenance, longest_opening
from runbooks.places import Finding, ModelPath
from runbooks.plan import Plan
from signals.heartbeats import SENDER
from signals.noise import LONGEST_SILENCE, Matcher, covers_all, matchers_of

SHORTEST_BEAT = timedelta(seconds=10)
LONGEST_GROUP = timedelta(days=1)
_SOME_WEEK = datetime(2026, 1, 5, tzinfo=UTC)


def noise_findings(plan: Plan) -> Iterator[Finding]:
    """Windows that never open or never close, rules that name what nobody knows or that could never hold."""
    noise = plan.noise
    names = [(("noise", "maintenance", index, "name"), each.name) for index, each in enumerate(noise.maintenance)]
    yield from repeated(names, "Another maintenance window is called {!r} too.")
    for index, window in enumerate(noise.maintenance):
        yield from _window(window, ("noise", "maintenance", index))
        yield from _match(plan, window.match, ("noise", "maintenance", index, "match"))
        if covers_all(matchers_of(window.match)):
            everything = "This covers every signal, also one without any of these labels: name a value that it has."
            yield Finding(("noise", "maintenance", index, "match"), everything)
    for index, rule in enumerate(noise.inhibit):
        path: ModelPath = ("noise", "inhibit", index)
        yield from _match(plan, rule.when, (*path, "when"))
        yield from _match(plan, rule.mutes, (*path, "mutes"))
        if all(rule.mutes.get(label) == value for label, value in rule.when.items()):
            yield Finding((*path, "mutes"), "What this mutes matches 'when' too, and such signals are never muted.")
    for index, group in enumerate(noise.group):
        path = ("noise", "group", index)
        yield from _match(plan, group.match, (*path, "match"))
        yield from _length((*path, "within"), group.within, LONGEST_GROUP)
        yield from repeated([((*path, "by", at), each) for at, each in enumerate(group.by)], "{!r} stands here twice.")
    if noise.flapping is not None:
        yield from _length(("noise", "flapping", "within"), noise.flapping.within, LONGEST_GROUP)
        yield from _length(("noise", "flapping", "quiet"), noise.flapping.quiet, LONGEST_GROUP)
    if noise.storm is not None:
        yield from _length(("noise", "storm", "calm"), noise.storm.calm, LONGEST_GROUP)


def heartbeat_findings(plan: Plan) -> Iterator[Finding]:
    """Names and keys that stand twice, situations that nobody knows, times that mean nothing."""
    beats = plan.heartbeats
    yield from repeated(
        [(("heartbeats", index, "name"), each.name) for index, each in enumerate(beats)],
        "Another heartbeat is called {!r} too.",
    )
    keys: list[tuple[ModelPath, str]] = [(("integrations",), each.key) for each in plan.integrations]
    keys += [(("heartbeats", index, "key"), each.key) for index, each in enumerate(beats)]
    for found in repeated(keys, "Another sender has this key too; every one needs its own."):
        if found.path[0] == "heartbeats":
            yield found
    for index, each in enumerate(beats):
        path: ModelPath = ("heartbeats", index)
        if each.situation not in plan.situations:
            yield unknown((*path, "situation"), each.situation, plan.situations, "one of the situations")
        if each.every < SHORTEST_BEAT:
            sentence = f"A heartbeat is expected every {write_duration(SHORTEST_BEAT)} or less often."
            yield Finding((*path, "every"), sentence)
    for index, sender in enumerate(plan.integrations):
        if beats and sender.name == SENDER:
            sentence = f"{SENDER!r} is the sender of missing heartbeats; give this integration another name."
            yield Finding(("integrations", index, "name"), sentence)


def _window(window: Maintenance, path: ModelPath) -> Iterator[Finding]:
    if not is_zone(window.time_zone):
        yield unknown((*path, "time_zone"), window.time_zone, available_timezones(), "a time zone")
    if not window.weekly and not window.dates:
        yield Finding(path, "This window never opens: say 'weekly' or 'dates'.")
    where = zone(window.time_zone)
    longest = write_duration(LONGEST_SILENCE)
    for index, each in enumerate(window.dates):
        start, end = begins(each.starts, where), ends(each.ends, where)
        if end <= start:
            yield Finding((*path, "dates", index, "ends"), "This window ends before it begins.")
        elif end - start > LONGEST_SILENCE:
            yield Finding((*path, "dates", index, "ends"), f"A window is open for {longest} at most.")
    if longest_opening(window.model_copy(update={"dates": ()}), _SOME_WEEK) >= LONGEST_SILENCE:
        yield Finding((*path, "weekly"), "This window never closes: what it covers would never be heard.")


def _known(plan: Plan) -> dict[str, tuple[tuple[str, ...], str]]:
    """The labels that are ours, each with its values and what those are called."""
    return {
        "situation": (tuple(plan.situations), "one of the situations"),
        "integration": ((*(each.name for each in plan.integrations), SENDER), "one of the integrations"),
        "rated": (tuple(each.value for each in Severity), "a severity from SEV1 to SEV4"),
    }


def unknown_values(plan: Plan, matchers: Iterable[Matcher]) -> Iterator[str]:
    """A sentence for each matcher on a label of ours that asks for a value which the plan does not have."""
    known = _known(plan)
    for each in matchers:
        if each.label in known and not each.wild and each.value not in known[each.label][0]:
            yield unknown((), each.value, *known[each.label]).sentence


def _match(plan: Plan, match: Mapping[str, str], path: ModelPath) -> Iterator[Finding]:
    """Labels that are ours have values that we know."""
    known = _known(plan)
    for label, value in match.items():
        if label in known and "*" not in value and value not in known[label][0]:
            yield unknown((*path, label), value, *known[label])
        if value == "":
            yield warning((*path, label), f"This asks for signals without the label {label!r}.")


def _length(path: ModelPath, span: timedelta, longest: timedelta) -> Iterator[Finding]:
    if not timedelta(0) < span <= longest:
        yield Finding(path, f"Write a time of more than nothing and at most {write_duration(longest)}.")
