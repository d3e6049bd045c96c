"""The crisis plan: plan.yaml and runbooks/*.yaml as frozen, strict models, with thresholds.yaml and listening.yaml.

Durations are written `90s`, `5m`, `2h`, `3d` (or several: `1h 30m`). References (`ana`, `role:duty-commander`) point
into contacts.yaml. Defaults come from shared/design/domain.md 2.4 (paging) and 3.2 (clocks).
"""

import hashlib
import json
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from contacts.directory import Reference
from incidents.durations import Duration
from incidents.ids import SituationCode, Slug
from incidents.impact import MATRIX, Question, Row
from incidents.model import Frozen
from incidents.money import Currency
from incidents.severity import Severity
from runbooks.noise import Noise
from signals.heartbeats import Heartbeat
from signals.integration import Integration
from signals.listening import Listening
from signals.thresholds import ThresholdsFile

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Repeat(Frozen):
    """Page the same contact again on their next channel while the rung waits."""

    every: Duration
    times: Annotated[int, Field(ge=1, le=20)] = 1


class Rung(Frozen):
    page: Annotated[tuple[Reference, ...], Field(min_length=1)]
    """Paged at once, in parallel."""
    wait: Duration
    """From the recorded departure of this rung until the next one is paged."""
    repeat: Repeat | None = None
    """For those who have no channel ladder of their own."""
    tell: tuple[Reference, ...] = ()
    """Told when this rung is called; nothing is asked of them."""


class Backoff(Frozen):
    """How the last rung goes on for ever: `every`, doubling up to `at_most`."""

    every: Duration = timedelta(minutes=5)
    at_most: Duration = timedelta(minutes=30)


class Ladder(Frozen):
    rungs: Annotated[tuple[Rung, ...], Field(min_length=1)]
    in_extremis: Annotated[tuple[Reference, ...], Field(min_length=1)]
    """Paged after the last rung's wait, then again and again until somebody answers (invariant 5)."""
    again: Backoff = Backoff()
    crew: tuple[Reference, ...] = ()
    """Roles that somebody has to take besides the commander: each is called until it is taken."""
    crew_after: Duration = timedelta(minutes=5)
    """From the beginning of the incident until they are called."""


class Cadence(Frozen):
    """The clocks of one severity (domain.md 3.2)."""

    update_every: Duration | None = None
    """A status update is owed this often; the first one counts from the declaration."""
    summary_every: Duration | None = None
    compensation_within: Duration
    """From the declaration to the compensation decision."""
    ack_expires: Duration | None = None
    """Whoever took it and has done nothing here for so long is asked whether they are still on it; when they do not
    answer, the ladder is called again."""
    reach_within: Duration | None = None
    """The target that `tocsin prove` holds the plan to: a person is reached this soon, at any minute."""


class Situation(Frozen):
    title: Text
    severity: Severity
    """The severity when the signal does not say."""
    runbook: Slug
    area: Slug | None = None
    ladder: dict[Severity, Slug] = {}
    """Which ladder for which severity, where it is not the severity's own."""
    drill: bool = False


class Step(Frozen):
    id: Slug
    title: Text
    owner: Reference
    say: Text
    """What to do, in the words that the page, the chat and the screen show."""
    within: Duration
    """Deadline, from the declaration, or from the opening when the step waits for others."""
    needs: tuple[Slug, ...] = ()
    """Steps that must be done or skipped before this one opens."""
    evidence: Text | None = None
    """What has to be given to call it done; none is asked when absent."""
    required: bool = True
    when: tuple[Severity, ...] = ()
    """Only for these severities; empty means all."""


class Decision(Frozen):
    id: Slug
    question: Text
    options: Annotated[tuple[Text, ...], Field(min_length=2)]
    decider: Reference
    within: Duration
    needs: tuple[Slug, ...] = ()
    when: tuple[Severity, ...] = ()


class Runbook(Frozen):
    id: Slug
    title: Text
    purpose: Text
    closes_when: Text
    dont: tuple[Text, ...] = ()
    first_line: dict[Literal["en", "es"], Text] = {}
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    decisions: tuple[Decision, ...] = ()


class CompensationPolicy(Frozen):
    currency: Currency = "EUR"
    open_after: Duration = timedelta(hours=1)
    """The question is put at resolution or this long after the declaration, whichever is first."""
    decider: Reference


class Publication(Frozen):
    """Where published status updates go: one outbox row an entry."""

    audience: Literal["customers", "staff", "executives"]
    channel: Literal["console", "slack"]
    to: Text


class _PlanBody(Frozen):
    company: Text
    ladders: Annotated[dict[Slug, Ladder], Field(min_length=1)]
    severities: dict[Severity, Slug]
    """The ladder of each severity; all four are named."""
    cadence: dict[Severity, Cadence]
    situations: Annotated[dict[SituationCode, Situation], Field(min_length=1)]
    integrations: tuple[Integration, ...] = ()
    noise: Noise = Noise()
    """What is heard and pages nobody, or not by itself."""
    heartbeats: tuple[Heartbeat, ...] = ()
    """What reports while it is well; silence is the alarm."""
    executives: tuple[Reference, ...] = ()
    """Who receives executive summaries."""
    operators: Annotated[tuple[Reference, ...], Field(min_length=1)]
    """Paged when Tocsin itself is in trouble."""
    compensation: CompensationPolicy
    publications: tuple[Publication, ...] = ()
    impact: dict[Row, Question] = {}
    """Rows of the severity matrix that this company asks in its own words or with its own limits; the other rows are
    asked as they ship."""
    page_again_after: Duration = timedelta(minutes=15)
    """An answered call about something overdue starts again when it is still overdue this long after the answer."""


class PlanFile(_PlanBody):
    """plan.yaml as written: everything but the runbooks, which stand in files of their own."""

    library: tuple[Slug, ...] = ()
    """Runbooks that ship with Tocsin and are used as they are, by id."""


class Plan(_PlanBody):
    """The whole plan: what plan.yaml says, with every runbook and what the files beside it say."""

    runbooks: Annotated[tuple[Runbook, ...], Field(min_length=1)]
    thresholds: ThresholdsFile | None = None
    """thresholds.yaml. None: nothing that people write declares an incident by itself."""
    listening: Listening | None = None
    """listening.yaml. None: nobody is listened to."""

    @property
    def matrix(self) -> dict[Row, Question]:
        """The questions about the impact, in the matrix's order: the plan's own, and the others as they ship."""
        return {row: self.impact.get(row, question) for row, question in MATRIX.items()}

    def runbook(self, runbook_id: str) -> Runbook | None:
        return next((each for each in self.runbooks if each.id == runbook_id), None)

    def runbook_of(self, situation: str) -> Runbook | None:
        known = self.situations.get(situation)
        return self.runbook(known.runbook) if known is not None else None

    def ladder_for(self, situation: str, severity: Severity) -> Ladder:
        """The ladder of an incident. A situation that a newer plan no longer knows falls back to its severity's."""
        known = self.situations.get(situation)
        name = known.ladder.get(severity) if known is not None else None
        return self.ladders[name or self.severities[severity]]

    def integration(self, key: str) -> Integration | None:
        return next((each for each in self.integrations if each.key == key), None)


def plan_version(plan: Plan) -> str:
    """The plan's content hash: equal plans have equal versions, whatever their comments and order of keys."""
    content = plan.model_dump(mode="json")
    for later in ("thresholds", "listening"):  # a plan without these files keeps the version that it has always had
        if content[later] is None:
            del content[later]
    content["runbooks"].sort(key=lambda runbook: runbook["id"])
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
