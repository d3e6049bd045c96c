"""Hears mentions and alerts in the order in which they count, and says when a threshold of the plan is crossed. Pure.

A mention costs a comparison with the next number that would turn a condition; rules are decided only when one turns,
and minute by minute while one holds. Nothing depends on when it is asked: `pass_time` as often as one likes between two
things heard gives the same findings as never. One detector serves all brands; its memory is `state()`.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from math import inf
from typing import Any, Literal, assert_never

from incidents.severity import Severity
from signals.assess import Assessment
from signals.atoms import SINGLE_LASTS, Alerts, Counter, CountSpec, Key, ShareSpec, concerns
from signals.conditions import Family, Subject
from signals.observation import AlertHeard, Heard, NotHeard, Observation
from signals.program import Program, RuleProgram
from signals.reasons import Single, reason, span
from signals.rules import SOURCES, Thresholds

SHOWN_HOURS = 72
"""Of a picture."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a crossing looks like: whole clock hours before it, oldest first, and the window that crossed."""

    rule: str
    subject: Subject
    window: int
    """Minutes."""
    value: int
    limit: float
    mean: float | None
    spread: float | None
    hours: tuple[int | None, ...]
    until: int
    """The minute (from the epoch) at which the last of `hours` ends."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the rules say of one brand now.

    `raises`: a new episode, or a worse severity than the episode had: people are paged. `joins`: a further rule of an
    episode, no worse. `calm`: every rule has been quiet for as long as the plan says; stepping down may be proposed.
    """

    kind: Literal["raises", "joins", "calm"]
    brand: str
    episode: str
    """The same for all findings of one episode: brand and the minute in which it began."""
    at: float
    """Seconds since the epoch."""
    assessment: Assessment
    rules: tuple[str, ...] = ()
    """Names of the rules that hold."""
    started: tuple[str, ...] = ()
    """Those that began now."""
    pictures: tuple[Picture, ...] = ()
    ignores_quiet_hours: bool = False

    @property
    def id(self) -> str:
        """Derived from facts: a replay gives the same. Rules that join within one minute are told apart by a digest."""
        fact = f"{self.episode}/{self.kind}/{int(self.at) // 60}/{self.assessment.severity}"
        if self.kind != "joins":
            return fact
        return f"{fact}/{blake2b(chr(0).join(self.started).encode(), digest_size=6).hexdigest()}"


@dataclass(slots=True)
class _Episode:
    """From the first rule that holds until `join` after the last one held."""

    began: int
    severity: Severity
    situation: str
    last: int
    rules: set[str]
    calm_said: bool = False


class Detector:
    """`hear` in order of `at`; what is out of order counts at the time that was reached."""

    def __init__(self, thresholds: Thresholds, brands: Iterable[str] = ()) -> None:
        self.program = Program(thresholds)
        self.thresholds = thresholds
        self._alerts = Alerts()
        self._minute = -1
        """The minute that was reached, by whichever brand: what comes with an earlier stamp counts here."""
        self._brands: dict[str, _Brand] = {}
        for brand in brands:
            self._brand(brand)
        if any(rule.decides_about(SOURCES) for rule in thresholds.rules):
            self._brand(SOURCES)

    def hear(self, heard: Heard) -> list[Finding]:
        """Count one thing, and say what follows."""
        found: list[Finding] = []
        minute = self._reach(heard.at)
        match heard:
            case Observation():
                self._brand(heard.brand).observe(heard, minute, found)
            case AlertHeard():
                self._hear_alert(heard, minute, found)
            case NotHeard():
                self._brand(heard.brand).miss(heard, minute, found)
            case _:
                assert_never(heard)
        return found

    def pass_time(self, at: float) -> list[Finding]:
        """Let time pass: what only time turns on or off."""
        found: list[Finding] = []
        minute = self._reach(at)
        for brand in self._brands.values():
            brand.pass_time(minute, found)
        return found

    def begin(self, brand: str, minute: int) -> None:
        """A brand has been listened to since this minute, whether anybody wrote or not. Only before it is heard of."""
        self._brand(brand).pass_time(minute, [])

    def _reach(self, at: float) -> int:
        minute = int(at // 60)
        if minute > self._minute:
            self._minute = minute
        return self._minute

    def next_minute(self) -> float:
        """The minute (from the epoch) before which nothing can be found without something heard; may be infinite."""
        return min((brand.next_minute() for brand in self._brands.values()), default=inf)

    def _hear_alert(self, heard: AlertHeard, minute: int, found: list[Finding]) -> None:
        for brand in self._brands.values():
            brand.pass_time(minute, found)
        if not heard.firing:
            self._alerts.firing.pop(heard.key, None)
        elif heard.key not in self._alerts.firing:
            self._alerts.firing[heard.key] = (heard.names, int(heard.at // 60))
        for brand in self._brands.values():
            brand.look_at_alerts(found)

    def _brand(self, name: str) -> "_Brand":
        brand = self._brands.get(name)
        if brand is None:
            brand = self._brands[name] = _Brand(name, self.program, self._alerts)
        return brand

    # --- to be seen ---

    def brands(self) -> list[str]:
        return sorted(self._brands.keys() - {SOURCES})

    def picture_of(self, brand: str, subject: Subject = Subject.MENTIONS) -> Picture | None:
        """How a stream of a brand stands now, whatever the rules say; None for a brand never heard of."""
        known = self._brands.get(brand)
        return None if known is None else known.picture("", CountSpec((subject, frozenset()), "sums", 60), 0.0)

    def firing(self) -> list[str]:
        """Keys of the alerts that fire, silent sources among them."""
        return list(self._alerts.firing)

    def standing(self, brand: str) -> tuple[str, ...]:
        """Names of the rules that hold now."""
        known = self._brands.get(brand)
        return () if known is None else tuple(known.holding())

    def episode_of(self, brand: str) -> str | None:
        """The latest episode of a brand, by the id that its findings have; None when there was none."""
        known = self._brands.get(brand)
        return None if known is None or known.episode is None else known.episode_id(known.episode)

    # --- memory ---

    def state(self) -> dict[str, Any]:
        """Everything that it knows, for JSON."""
        return {
            "minute": self._minute,
            "alerts": {key: [sorted(names), since] for key, (names, since) in self._alerts.firing.items()},
            "brands": {name: brand.state() for name, brand in self._brands.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """As it was when `state` was taken of a detector with the same thresholds; ValueError for other ones."""
        self._minute = state["minute"]
        self._alerts.firing.update({key: (frozenset(names), since) for key, (names, since) in state["alerts"].items()})
        for name, stored in state["brands"].items():
            self._brand(name).restore(stored)


def listened_since(state: dict[str, Any]) -> dict[str, int]:
    """The minute since which each brand has been listened to, by a memory; that of other rules will do."""
    found = {}
    for name, brand in state["brands"].items():
        first = brand["streams"][0][2]["time"][1]
        if first >= 0:
            found[name] = int(first)
    return found


class _Brand:
    """One brand's streams, the bits of its conditions, and its rules."""

    __slots__ = (
        "_weighed",
        "alerts",
        "bits",
        "counters",
        "decided",
        "episode",
        "hanging",
        "last",
        "minute",
        "name",
        "on",
        "program",
        "rules",
        "shares",
        "singled",
        "timed_from",
        "waiting",
    )

    def __init__(self, name: str, program: Program, alerts: Alerts) -> None:
        self.name = name
        self.program = program
        self.alerts = alerts
        self.rules: list[RuleProgram] = [each for each in program.rules if each.rule.decides_about(name)]
        self.counters: dict[Key, Counter] = {key: program.counter(key) for key in _STREAMS}
        """The three streams, and those about topics while anything of the kind has been heard lately."""
        self._weighed = [
            (bit, spec, *self._sums(spec.part, spec), *self._sums(_ALL, spec)) for bit, spec in program.shares
        ]
        """Each share with where its parts and wholes are counted."""
        self.waiting = program.queues()
        self.singled: dict[int, Single] = {}
        self.bits = 0
        self.on = 0
        """A bit a rule that holds."""
        self.last = array("i", [-1] * len(self.rules))
        """The minute in which each rule last held; -1 for never."""
        self.hanging = 0
        """A bit a rule that hangs on a share alone, which any mention and any minute may change."""
        self.shares = (0, 0)
        """Bits of shares by which the rules were last decided: high enough to start, and to go on."""
        self.decided = 0
        """The bits by which the rules were last decided."""
        self.timed_from = inf
        """The minute at which time alone turns a condition about waiting or alerts on."""
        self.episode: _Episode | None = None
        self.minute = -1
        self._hang(program.share_bits, -1)

    # --- what is heard ---

    def observe(self, heard: Observation, minute: int, found: list[Finding]) -> None:
        if minute > self.minute:
            self.pass_time(minute, found)
        if heard.by_us:
            if any([waiting.answered(heard.thread) for waiting in self.waiting.values()]):
                self._turn_timed()
        else:
            self._count(heard)
            self._look_at_singles(heard)
            if heard.complaint or heard.negative or Subject.MENTIONS in self.waiting:
                self._let_wait(heard)
        if self.bits != self.decided or self.hanging:
            self._decide(found)

    def _sums(self, key: Key, spec: ShareSpec) -> tuple[list[int], int]:
        stream = self.counters[key].stream
        return stream.sums, stream.windows.index(spec.window)

    def _count(self, heard: Observation) -> None:
        counters = self.counters
        if not heard.old:
            self._add(counters[_ALL], heard)
            if heard.negative:
                self._add(counters[_NEGATIVE], heard)
            if heard.complaint:
                self._add(counters[_COMPLAINTS], heard)
        if heard.topics:
            topical = self.program.topical
            for key in dict.fromkeys(key for topic in sorted(heard.topics) for key in topical.get(topic, ())):
                if concerns(key[0], heard):
                    self._add(self.counter(key), heard)

    def _add(self, counter: Counter, heard: Observation) -> None:
        if counter.stream.minute != self.minute:
            counter.advance(self.minute, self.bits)
        if counter.stream.add(heard.author, heard.count, heard.reach) and counter.limits:
            bits = counter.risen(self.bits)
            if bits != self.bits:
                self.bits = bits
                counter.set_limits(bits)

    def counter(self, key: Key) -> Counter:
        """The stream's counter; one about topics is made when something of the kind is heard."""
        known = self.counters.get(key)
        if known is None:
            known = self.counters[key] = self.program.counter(key)
            known.advance(self.minute, self.bits)
        return known

    def _look_at_singles(self, heard: Observation) -> None:
        program = self.program
        if not (heard.reach > program.loud or heard.topics or heard.verified or program.always_matched):
            return
        for bit, spec in program.singles:
            if spec.matches(heard):
                self.singled[bit] = Single(self.minute + SINGLE_LASTS, heard.who, heard.link, heard.reach)
                self.bits |= bit

    def _let_wait(self, heard: Observation) -> None:
        # A customer waits since they wrote, also where their network was away until now.
        since = min(self.minute, int(heard.written // 60)) if heard.written else self.minute
        opened = [
            waiting.open(heard.thread, since) for subject, waiting in self.waiting.items() if concerns(subject, heard)
        ]
        if any(opened):
            self._turn_timed()

    def miss(self, heard: NotHeard, minute: int, found: list[Finding]) -> None:
        self.pass_time(minute, found)
        for counter in self.counters.values():
            counter.advance(self.minute, self.bits)
            counter.stream.miss(int(heard.since // 3600), int(heard.at // 3600))
            counter.set_limits(self.bits)
            self.bits = counter.turned(self.bits)
            counter.set_limits(self.bits)
        if self.bits != self.decided:
            self._decide(found)

    def look_at_alerts(self, found: list[Finding]) -> None:
        self._turn_timed()
        if self.bits != self.decided:
            self._decide(found)

    # --- time ---

    def pass_time(self, minute: int, found: list[Finding]) -> None:
        if self.minute < 0:
            self._begin(minute, found)
        while self.minute < minute:
            self.minute = int(min(minute, self.next_minute()))
            self._turn(found)

    def _begin(self, minute: int, found: list[Finding]) -> None:
        """From now on it is listened for: history begins for every stream of it."""
        self.minute = minute
        for counter in self.counters.values():
            counter.advance(minute, self.bits)
            counter.set_limits(self.bits)
        self.look_at_alerts(found)

    def next_minute(self) -> float:
        """The next minute in which something can turn by time alone: at once while a rule holds by a count."""
        minute = self.minute
        if (self.hanging and (self.on or self.counters[_ALL].stream.sums[-1])) or (
            self.on and any(counter.leaves for counter in self.counters.values())
        ):
            return minute + 1
        upcoming = self.timed_from if self.timed_from > minute else inf
        if any(self.counters[key].stream.sums[-1] for key in _STREAMS):
            # What is usual changes with the hour; the last minute before it decides by what was usual until then.
            left = 59 - minute % 60
            upcoming = min(upcoming, minute + (left or 1))
        if self.on:
            upcoming = min(upcoming, *(each.until for each in self.singled.values()), inf)
        elif self.episode is not None and not self.episode.calm_said:
            upcoming = min(upcoming, max(self.episode.last + _minutes(self.program.thresholds.calm), minute + 1))
        return upcoming

    def _turn(self, found: list[Finding]) -> None:
        minute = self.minute
        self._turn_counts(minute)
        if self.singled:
            for bit in [bit for bit, single in self.singled.items() if minute >= single.until]:
                del self.singled[bit]
                self.bits &= ~bit
        if minute >= self.timed_from:
            self._turn_timed()
        if self.bits != self.decided or self.hanging:
            self._decide(found)
        if self.episode is not None and not self.episode.calm_said and not self.on:
            self._calm_down(self.episode, found)

    def _turn_counts(self, minute: int) -> None:
        drained: list[Key] = []
        for key, counter in self.counters.items():
            stream = counter.stream
            if stream.sums[-1] or counter.leaves:
                counter.advance(minute, self.bits)
                bits = counter.turned(self.bits)
                if bits != self.bits:
                    self.bits = bits
                    counter.set_limits(bits)
            elif key[1] and minute - stream.minute >= max(stream.windows[-1], 60):
                drained.append(key)
        for key in drained:
            del self.counters[key]

    def _turn_timed(self) -> None:
        """Conditions about waiting and alerts: on from a minute that is known."""
        self.timed_from = inf
        conditions = [(bit, self.waiting[spec.subject].from_when(spec)) for bit, spec in self.program.waiting]
        conditions += [(bit, self.alerts.from_when(spec)) for bit, spec in self.program.alerts]
        for bit, since in conditions:
            if self.minute >= since:
                self.bits |= bit
            else:
                self.bits &= ~bit
                self.timed_from = min(self.timed_from, since)

    # --- rules ---

    def share(self, spec: ShareSpec) -> float:
        """Percent."""
        part = self.counters[spec.part].value("sums", spec.window)
        whole = self.counters[_ALL].value("sums", spec.window)
        return 100.0 * part / whole if whole else 0.0

    def _decide(self, found: list[Finding]) -> None:
        """The rules that ask for a bit that has turned, and those that hang on a share.

        Bits of shares remember nothing: a share changes with every mention, so whoever looks more often must not see
        more; a rule's own holding is the hysteresis.
        """
        everything = self.program.share_bits
        bits = self.bits & ~everything
        turned = bits ^ (self.decided & ~everything)
        entered, kept = self._shares() if self.hanging or turned else (0, 0)
        if turned:
            self._hang(bits | everything, turned)
        elif (entered, kept) == self.shares:
            return
        self.shares = (entered, kept)
        started: list[int] = []
        standing = 0
        for place, program in enumerate(self.rules):
            hangs = self.hanging >> place & 1
            if not hangs and not program.asked & turned:
                continue
            was = self.on >> place & 1
            shares = (kept if was else entered) if hangs else 0
            if program.holds(bits | shares):
                standing |= shares
                if not was:
                    started.append(place)
                    self.on |= 1 << place
            elif was:
                self._end(place)
        self.bits = self.decided = bits | standing
        if started:
            self._assess(started, found)

    def _hang(self, bits: int, turned: int) -> None:
        """Which rules hang on a share alone: with every share they would hold."""
        for place, program in enumerate(self.rules):
            if program.shares and program.asked & turned:
                self.hanging &= ~(1 << place)
                self.hanging |= program.holds(bits) << place

    def _shares(self) -> tuple[int, int]:
        """Bits of the shares that are high enough for a rule to start, and to go on."""
        entered = kept = 0
        for bit, spec, parts, k, wholes, j in self._weighed:
            part = parts[k]
            if part and spec.stays(part, wholes[j]):
                kept |= bit
                if spec.enters(part, wholes[j]):
                    entered |= bit
        return entered, kept

    def _end(self, place: int) -> None:
        """A rule held until the minute before."""
        self.on &= ~(1 << place)
        self.last[place] = max(self.last[place], self.minute - 1)
        if self.episode is not None and not self.on:
            self.episode.last = max(self.episode.last, self.minute - 1)

    def _assess(self, started: list[int], found: list[Finding]) -> None:
        thresholds = self.program.thresholds
        episode = self.episode
        goes_on = bool(self.on & ~sum(1 << place for place in started))
        fresh = episode is None or not (goes_on or self.minute - episode.last <= _minutes(thresholds.join))
        severity, agreed = self._severity()
        names = {self.rules[place].rule.name for place in started}
        for place in started:
            self.last[place] = self.minute
        if episode is None or fresh:
            episode = self.episode = _Episode(self.minute, severity, self._situation(started), self.minute, set())
        rises = fresh or severity.is_worse_than(episode.severity)
        news = names - episode.rules
        episode.rules |= names
        episode.last = self.minute
        episode.calm_said = False
        if rises:
            episode.severity = severity
        if rises or news:
            found.append(self._finding("raises" if rises else "joins", episode, started, severity, agreed))

    def _severity(self) -> tuple[Severity, tuple[Family, ...]]:
        """The highest of the rules that hold, one level up when rules of two families have held lately; and those."""
        worst = min((each.rule.severity for each in self._holding()), key=lambda each: each.rank)
        within = self.program.thresholds.raise_within
        if within is None or worst is Severity.SEV1:
            return worst, ()
        since = max(self.minute - _minutes(within), 0)
        families = {
            each.rule.family
            for place, each in enumerate(self.rules)
            if self.on >> place & 1 or self.last[place] >= since
        }
        return (worst, ()) if len(families) < 2 else (worst.one_up, tuple(sorted(families)))

    def _finding(
        self,
        kind: Literal["raises", "joins"],
        episode: _Episode,
        started: list[int],
        severity: Severity,
        agreed: tuple[Family, ...],
    ) -> Finding:
        holding = self._holding()
        because = [reason(each, self.program.specs, self) for each in holding]
        if agreed and severity is episode.severity:
            because.append(f"{' and '.join(agreed)} agree, which raises it one level to {episode.severity}.")
        return Finding(
            kind,
            self.name,
            self.episode_id(episode),
            self.minute * 60.0,
            Assessment(self._situation(started), episode.severity, tuple(because)),
            tuple(each.rule.name for each in holding),
            tuple(self.rules[each].rule.name for each in started),
            tuple(picture for each in holding if (picture := self._picture_of(each)) is not None),
            any(each.rule.ignores_quiet_hours for each in holding),
        )

    def _situation(self, started: list[int]) -> str:
        """Of the worst rule that holds, of equals one that has just started: what an incident would be declared as now,
        also where the one that the episode began with is over. One that is joined keeps its own."""
        holding = [place for place in range(len(self.rules)) if self.on >> place & 1]
        worst = min(holding, key=lambda place: (self.rules[place].rule.severity.rank, place not in started))
        return self.rules[worst].rule.situation or self.program.thresholds.situation

    def _calm_down(self, episode: _Episode, found: list[Finding]) -> None:
        quiet = _minutes(self.program.thresholds.calm)
        if self.minute - episode.last < quiet:
            return
        episode.calm_said = True
        because = (f"Every rule has been quiet for {span(quiet, one='1 hour')}; a person may step down.",)
        assessment = Assessment(episode.situation, episode.severity, because)
        found.append(Finding("calm", self.name, self.episode_id(episode), self.minute * 60.0, assessment))

    def episode_id(self, episode: _Episode) -> str:
        return f"{self.name}@{episode.began}"

    def _holding(self) -> list[RuleProgram]:
        return [program for place, program in enumerate(self.rules) if self.on >> place & 1]

    def holding(self) -> list[str]:
        return [each.rule.name for each in self._holding()]

    # --- pictures ---

    def _picture_of(self, program: RuleProgram) -> Picture | None:
        """Of the rule's first count on a stream with a history."""
        specs = self.program.specs
        for bits in (term[0] for term in program.terms()):
            for place, spec in enumerate(specs):
                if bits >> place & 1 and isinstance(spec, CountSpec) and spec.measure == "sums" and not spec.key[1]:
                    return self.picture(program.rule.name, spec, self.counters[spec.key].trip(spec))
        return None

    def picture(self, rule: str, spec: CountSpec, limit: float) -> Picture:
        counter = self.counters[spec.key]
        usual = counter.stream.usual(spec.window)
        return Picture(
            rule,
            spec.key[0],
            spec.window,
            counter.value("sums", spec.window),
            limit,
            None if usual is None else usual.mean,
            None if usual is None else usual.spread,
            tuple(counter.stream.hourly(SHOWN_HOURS)),
            counter.stream.minute // 60 * 60,
        )

    # --- memory ---

    def state(self) -> dict[str, Any]:
        episode = self.episode
        return {
            "minute": self.minute,
            "bits": str(self.bits),
            "streams": [
                [str(key[0]), sorted(key[1]), counter.stream.state()] for key, counter in self.counters.items()
            ],
            "singled": [[str(bit), each.until, each.who, each.link, each.reach] for bit, each in self.singled.items()],
            "rules": [
                [each.rule.name, self.on >> place & 1, self.last[place]] for place, each in enumerate(self.rules)
            ],
            "decided": str(self.decided),
            "shares": [str(each) for each in self.shares],
            "waiting": {str(subject): [*waiting.since.items()] for subject, waiting in self.waiting.items()},
            "timed_from": None if self.timed_from == inf else self.timed_from,
            "episode": None
            if episode is None
            else {
                "began": episode.began,
                "severity": str(episode.severity),
                "situation": episode.situation,
                "last": episode.last,
                "rules": sorted(episode.rules),
                "calm_said": episode.calm_said,
            },
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.minute, self.bits = state["minute"], int(state["bits"])
        for subject, topics, stored in state["streams"]:
            key = (Subject(subject), frozenset[str](topics))
            counter = self.counters.setdefault(key, self.program.counter(key))
            counter.stream.restore(stored)
            counter.set_limits(self.bits)
        self.singled = {int(bit): Single(*single) for bit, *single in state["singled"]}
        self.decided = int(state["decided"])
        entered, kept = state["shares"]
        self.shares = (int(entered), int(kept))
        self._hang(self.decided | self.program.share_bits, -1)
        for place, (name, on, last) in enumerate(state["rules"]):
            if self.rules[place].rule.name != name:
                raise ValueError("this is the memory of other rules")
            self.on |= on << place
            self.last[place] = last
        for subject, since in state["waiting"].items():
            self.waiting[Subject(subject)].since = dict(since)
        self.timed_from = inf if state["timed_from"] is None else state["timed_from"]
        episode = state["episode"]
        if episode is not None:
            self.episode = _Episode(
                **{**episode, "severity": Severity(episode["severity"]), "rules": set(episode["rules"])}
            )


def _minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)


_ALL = (Subject.MENTIONS, frozenset[str]())
_NEGATIVE = (Subject.NEGATIVE, frozenset[str]())
_COMPLAINTS = (Subject.COMPLAINTS, frozenset[str]())
_STREAMS = (_ALL, _NEGATIVE, _COMPLAINTS)
