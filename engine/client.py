"""How flows and the command line speak to the engine: ARCHITECTURE.md's HTTP API, nothing else of it.

A function below describes one request (`moves("INC-7")`); a client asks it and gives the typed answer back:

    async with EngineClient(Address.of_home(home)) as engine:          # flows: one pooled session
        due = await engine.ask(moves("INC-7"))
    reply = SyncEngineClient(Address.of_home(home)).ask(command("INC-7", "acknowledge", by="ana"))     # command line

Both raise, always: EngineUnreachable (no answer, 5xx, or our token is not accepted), SignalRefused (400, every problem
named), UnknownIncident (404), CommandRefused (409), StaleDriver (409 of a run that no longer drives),
CursorMoved (409 of a source that somebody else has read), Overloaded (503).
Neither tries again by itself. Asking twice is harmless for everything but `declare` and `command` without `command_id`.
"""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, NotRequired, Self, TypedDict, TypeVar
from urllib.parse import quote, urlencode

import aiohttp

from engine.clock import from_stamp
from incidents.errors import (
    CommandRefused,
    CursorMoved,
    EngineUnreachable,
    Overloaded,
    SignalRefused,
    StaleDriver,
    TocsinError,
    UnknownIncident,
)

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that a request may take in all, unless it says otherwise."""
CONNECT = 2.0
"""Seconds to reach the engine's port, for the pooled client."""


# What comes back


@dataclass(frozen=True, slots=True)
class Move:
    """Something that is due, or will be. `kind`: page, tell, skip-rung, no-receipt, open-step, start-escalation,
    stop-escalation, summary, ask-decision, ask-approval, expire-question; unknown kinds are kept. `title` is a sentence
    for people."""

    key: str
    kind: str
    title: str
    due_at: datetime | None = None
    subject: str = ""
    person: str = ""


@dataclass(frozen=True, slots=True)
class Moves:
    """What is due now, and when to look again (`wake_at`; None: nothing will ever be due by itself)."""

    version: int
    status: str
    due: tuple[Move, ...]
    wake_at: datetime | None
    next: tuple[Move, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """One move that the engine has made for us, with the outbox rows it wrote."""

    key: str
    kind: str
    title: str
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Performed:
    """What a `perform` did: `made` is empty when the move was no longer due."""

    version: int
    made: tuple[Made, ...]

    @property
    def messages(self) -> tuple[str, ...]:
        return tuple(message for made in self.made for message in made.messages)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one outbox row: pending, sending, sent, delivered, read, failed, stale or unknown."""

    message_id: str
    state: str
    channel: str = ""
    provider_id: str | None = None
    attempts: int = 0
    failure: str = ""
    expects_receipt: bool | None = None
    """None when the engine does not say."""


@dataclass(frozen=True, slots=True)
class WorkItem:
    """An open incident with a move due (within 2 s) that no live run drives; `runs` counts those it has had."""

    incident: str
    severity: str
    situation: str
    drill: bool
    title: str
    due_at: datetime | None
    runs: int


@dataclass(frozen=True, slots=True)
class Driving:
    """Leave to drive: `epoch` goes with every perform; `number` is the n of the run's name `INC-7 · n`."""

    epoch: int
    number: int


@dataclass(frozen=True, slots=True)
class SourceStand:
    """Where one source stands. `every` is its interval in seconds; a `webhook` is never polled."""

    name: str
    kind: str
    every: float
    webhook: bool
    cursor: str | None
    moved_at: datetime | None
    polled_at: datetime | None
    polled_by: str | None
    trouble: str | None
    trouble_since: datetime | None
    silent: bool
    not_before: datetime | None
    """Until when its network wants to be left alone."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Every source, and what those that are polled are built from: `listening` as JSON, None without a plan for it."""

    stands: tuple[SourceStand, ...]
    listening: str | None
    folder: Path | None

    def stand(self, name: str) -> SourceStand | None:
        return next((each for each in self.stands if each.name == name), None)


@dataclass(frozen=True, slots=True)
class Feed:
    """Which incidents changed after a sequence number. Only a hint: what it says is read again."""

    sequence: int
    incidents: tuple[str, ...]


class PageObject(TypedDict):
    message_id: str
    escalation: str
    escalation_kind: str
    rung: int
    contact: str
    channel: str
    attempt: int
    state: str
    requested_at: str
    sent_at: str | None
    delivered_at: str | None
    failed_at: str | None
    failure: str | None
    possible_duplicate: bool


class StepObject(TypedDict):
    id: str
    title: str
    owner: str
    say: str
    due_at: str | None
    state: str
    overdue: bool
    needs: list[str]
    evidence: str | None
    ended_by: str | None
    ended_at: str | None
    required: bool


class DecisionObject(TypedDict):
    id: str
    question: str
    options: list[str]
    decider: str
    due_at: str | None
    choice: str | None
    made_by: str | None
    because: str | None


class TimelineEntry(TypedDict):
    at: str
    by: str
    kind: str
    sentence: str


class IncidentObject(TypedDict):
    """The object of `GET /api/v1/incidents/{id}` as the engine sent it: times are ISO 8601 texts in UTC."""

    id: str
    title: str
    severity: str
    status: str
    situation: str
    drill: bool
    round: int
    plan_version: str
    declared_at: str
    commander: str | None
    next_update_by: str | None
    pages: list[PageObject]
    steps: list[StepObject]
    updates: list[dict[str, Any]]
    decisions: list[DecisionObject]
    missing_to_close: list[str]
    timeline: list[TimelineEntry]
    version: NotRequired[int]
    area: NotRequired[str | None]
    because: NotRequired[list[str]]
    compensation: NotRequired[dict[str, Any] | None]
    signals: NotRequired[list[Any]]
    next_moves: NotRequired[list[Any]]
    resolved_at: NotRequired[str | None]
    confirmed_at: NotRequired[str | None]
    informed_at: NotRequired[str | None]
    impact: NotRequired[list[dict[str, Any]]]
    roles: NotRequired[dict[str, str]]
    questions: NotRequired[list[dict[str, Any]]]
    escalations: NotRequired[list[dict[str, Any]]]


class IncidentLine(TypedDict):
    """One line of the list of incidents."""

    id: str
    title: str
    severity: str
    status: str
    situation: str
    drill: bool
    round: int
    commander: str | None
    declared_at: str
    next_update_by: str | None


@dataclass(frozen=True, slots=True)
class Reply:
    """The engine's answer to a command: a sentence for people, and the incident as it is now."""

    sentence: str
    incident: IncidentObject


@dataclass(frozen=True, slots=True)
class TrialPage:
    """A page sent to see whether pages arrive."""

    message_id: str
    sentence: str


# What can be asked


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One request: where, with what, and how its answer is read."""

    method: str
    path: str
    read: Callable[[Any], T]
    query: Mapping[str, object] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    patience: float = PATIENCE

    @property
    def target(self) -> str:
        asked = {name: value for name, value in self.query.items() if value is not None}
        return f"{self.path}?{urlencode(asked)}" if asked else self.path


def moves(incident: str) -> Request[Moves]:
    return Request("GET", f"{_incident(incident)}/moves", _read_moves)


def perform(incident: str, epoch: int, key: str) -> Request[Performed]:
    """Make one due move; a key that is no longer due makes nothing. StaleDriver when `epoch` drives no more."""
    return Request("POST", f"{_incident(incident)}/perform", _read_performed, body={"epoch": epoch, "key": key})


def drive(incident: str, worker: str, run: str) -> Request[Driving]:
    """This run drives now; every earlier epoch is stale from here on."""
    return Request("POST", f"{_incident(incident)}/drivers", _read_driving, body={"worker": worker, "run": run})


def release(incident: str, epoch: int) -> Request[None]:
    return Request("DELETE", f"{_incident(incident)}/drivers/{epoch}", _read_nothing)


def work(limit: int) -> Request[tuple[WorkItem, ...]]:
    return Request("GET", "/api/v1/work", _read_work, query={"limit": limit})


def alive(worker: str, pid: int) -> Request[None]:
    """A worker says it lives; counted dead 6 s after the last one."""
    return Request("POST", f"/api/v1/workers/{_part(worker)}", _read_nothing, body={"pid": pid}, patience=2.0)


def feed(after: int, wait: float) -> Request[Feed]:
    """Changes after a sequence number; answers at once when there are any, else after `wait` seconds with none."""
    return Request("GET", "/api/v1/feed", _read_feed, query={"after": after, "wait": wait}, patience=wait + PATIENCE)


def message(message_id: str) -> Request[Fate]:
    return Request("GET", f"/api/v1/messages/{_part(message_id)}", _read_fate)


def incident(incident_id: str) -> Request[IncidentObject]:
    return Request("GET", _incident(incident_id), _read_as_it_is)


def incidents(status: str = "open", limit: int | None = None) -> Request[list[IncidentLine]]:
    """Newest first; `status` is `open` or `all`."""
    return Request("GET", "/api/v1/incidents", _read_incidents, query={"status": status, "limit": limit})


def declare(
    title: str,
    situation: str,
    *,
    by: str,
    severity: str | None = None,
    area: str | None = None,
    drill: bool | None = None,
    because: Sequence[str] = (),
    command_id: str | None = None,
) -> Request[Reply]:
    asked = {
        "title": title,
        "situation": situation,
        "by": by,
        "severity": severity,
        "area": area,
        "drill": drill,
        "because": list(because) or None,
        "command_id": command_id,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    return Request("POST", "/api/v1/incidents", _read_reply, body=given)


def command(incident: str, name: str, *, by: str, command_id: str | None = None, **fields: Any) -> Request[Reply]:
    """One command of ARCHITECTURE.md's list, e.g. `command("INC-7", "step-done", by="ana", step="rollback")`.

    Fields that are None are left out. With a `command_id`, asking twice does once.
    """
    given = {"command": name, "by": by, "command_id": command_id, **fields}
    wanted = {key: value for key, value in given.items() if value is not None}
    return Request("POST", f"{_incident(incident)}/commands", _read_reply, body=wanted)


def summary(incident: str) -> Request[str]:
    return Request("GET", f"{_incident(incident)}/summary", lambda answer: str(answer["text"]))


def proposal(impact: int, fault: int, **more: str) -> Request[dict[str, Any]]:
    """What the goodwill matrix gives one customer; decides nothing."""
    query = {"impact": str(impact), "fault": str(fault), **more}
    return Request("GET", "/api/v1/compensation/proposal", _read_as_it_is, query=query)


def link(incident: str, contact: str) -> Request[str]:
    """A signed single-purpose link to the incident's page."""
    query = {"contact": contact}
    return Request("GET", f"{_incident(incident)}/link", lambda answer: str(answer["url"]), query=query)


def schedules() -> Request[list[dict[str, Any]]]:
    """Who is on duty now and next, gaps, and trouble with calendars; one object a schedule."""
    return Request("GET", "/api/v1/schedules", lambda answer: list(answer["schedules"]))


def schedule_calendar(schedule: str, weeks: int) -> Request[str]:
    """The schedule as iCalendar text."""
    return Request("GET", f"/api/v1/schedules/{_part(schedule)}.ics", str, query={"weeks": weeks})


def schedule_link(schedule: str) -> Request[str]:
    """A signed address of the schedule for calendar programs."""
    return Request("GET", f"/api/v1/schedules/{_part(schedule)}/link", lambda answer: str(answer["url"]))


def status() -> Request[dict[str, Any]]:
    return Request("GET", "/api/v1/status", _read_as_it_is)


def contacts() -> Request[dict[str, Any]]:
    """Everybody with their channels and how each stands; who holds each role, area, team and schedule now."""
    return Request("GET", "/api/v1/contacts", _read_as_it_is)


def verify(people: Sequence[str] = (), channel: str | None = None, which: str = "due") -> Request[list[dict[str, Any]]]:
    """Send codes; `which` is `due`, `expired` or `all`. Gives what became of each address that was chosen."""
    body = {"contacts": list(people), "channel": channel, "which": which}
    return Request("POST", "/api/v1/contacts/verify", lambda answer: list(answer["asked"]), body=body)


def confirm_code(code: str) -> Request[dict[str, Any]]:
    """Somebody has said a code back. CommandRefused for one that proves nothing."""
    return Request("POST", "/api/v1/contacts/confirm", _read_as_it_is, body={"code": code})


def who_can(action: str, **asked: object) -> Request[dict[str, Any]]:
    """Who may do this, least senior first, and who is left out. `asked`: amount, currency, count, area, at."""
    return Request("GET", "/api/v1/who-can", _read_as_it_is, query={"action": action, **asked})


def sources() -> Request[Sources]:
    """Where each source stands, and what the worker builds them from."""
    return Request("GET", "/api/v1/sources", _read_sources)


def batch(
    source: str, before: str | None, cursor: str | None, mentions: Sequence[Mapping[str, Any]], *, by: str
) -> Request[int]:
    """Hand over what was read from `before` on; gives how many were kept. CursorMoved when somebody else has read it.

    At most 500 mentions and 1 MB: of a longer batch the first parts leave the cursor at `before`. A second time it
    keeps nothing, and is CursorMoved when it has moved the cursor.
    """
    body = {"before": before, "cursor": cursor, "mentions": list(mentions), "by": by}
    return Request("POST", f"/api/v1/sources/{_part(source)}/batch", _read_kept, body=body, patience=30.0)


def trouble(source: str, because: str, retry_after: float | None = None) -> Request[None]:
    """A source could not be read; `retry_after` seconds when its network says so."""
    body = {"because": because, "retry_after": retry_after}
    return Request("POST", f"/api/v1/sources/{_part(source)}/trouble", _read_nothing, body=body)


def mentions(brand: str | None = None, limit: int = 50, before: int | None = None) -> Request[dict[str, Any]]:
    """A page of what people write, what was heard last first; `before` of one page asks for the next."""
    query = {"brand": brand, "limit": limit, "before": before}
    return Request("GET", "/api/v1/mentions", _read_as_it_is, query=query)


def report_mention(text: str, *, by: str, **more: object) -> Request[dict[str, Any]]:
    """Hear what a person saw. `more`: brand, author, link, reach, at, command_id; what is None is left out."""
    given = {name: value for name, value in more.items() if value is not None}
    return Request("POST", "/api/v1/mentions", _read_as_it_is, body={"text": text, "by": by, **given})


def assessments(
    brand: str | None = None, incident: str | None = None, limit: int = 50
) -> Request[list[dict[str, Any]]]:
    """What the rules found, the latest first, with the sentences that say why."""
    query = {"brand": brand, "incident": incident, "limit": limit}
    return Request("GET", "/api/v1/assessments", lambda answer: list(answer["assessments"]), query=query)


def brands() -> Request[list[dict[str, Any]]]:
    """Each brand now: the last hour against the usual, the rules that hold, its latest episode."""
    return Request("GET", "/api/v1/brands", lambda answer: list(answer["brands"]))


def cases(*, waiting: bool = False, brand: str | None = None, limit: int = 50) -> Request[dict[str, Any]]:
    """Customers' cases; `waiting`: whom nobody has answered, those who have waited longest first."""
    query = {"waiting": str(waiting).lower(), "brand": brand, "limit": limit}
    return Request("GET", "/api/v1/cases", _read_as_it_is, query=query)


def case_answered(case: str, *, by: str, at: str | None = None) -> Request[str]:
    """Somebody answered this customer elsewhere; `at` is ISO 8601. Gives the sentence."""
    body = {"by": by} if at is None else {"by": by, "at": at}
    return Request("POST", f"/api/v1/cases/{_part(case)}/answered", lambda answer: str(answer["sentence"]), body=body)


def trial_page(contact: str, channel: str | None = None) -> Request[TrialPage]:
    body = {"contact": contact} if channel is None else {"contact": contact, "channel": channel}
    return Request("POST", "/api/v1/test-page", _read_trial_page, body=body)


def activate_plan() -> Request[str]:
    """Load the plan folder again; gives the plan's version. SignalRefused names every problem of an invalid plan."""
    return Request("POST", "/api/v1/plan/activate", lambda answer: str(answer["plan_version"]), body={})


def backup(path: str) -> Request[int]:
    """Write a backup to `path` on the engine's machine while it runs; gives its size in bytes."""
    return Request("POST", "/api/v1/backup", lambda answer: int(answer["bytes"]), body={"path": path}, patience=300.0)


# Who is asked


@dataclass(frozen=True, slots=True)
class Address:
    """Where the engine listens, and the token it wants."""

    url: str
    token: str
    home: Path | None = None

    @classmethod
    def of_home(cls, home: Path) -> "Address":
        """What the engine wrote into TOCSIN_HOME when it started. EngineUnreachable when none has."""
        try:
            url = str(json.loads((home / "engine.json").read_text(encoding="utf-8"))["url"])
            token = (home / "token").read_text(encoding="utf-8").strip()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EngineUnreachable(f"No engine runs in {home}. Start one with `tocsin up --home {home}`.") from error
        return cls(url.rstrip("/"), token, home)

    def again(self) -> "Address":
        """The same address read afresh: an engine that was started again may listen elsewhere."""
        return self if self.home is None else Address.of_home(self.home)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}


class EngineClient:
    """Asks the engine from a running event loop, over one pooled session, which is opened by the first question."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, request: Request[T]) -> T:
        """Ask once. Raises as the module says. After EngineUnreachable the address is looked up again."""
        try:
            status, headers, content = await self._exchange(request)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            unreachable = _unreachable(self.address, error)
            self._look_again()
            raise unreachable from error
        return _answer(request, self.address, status, headers, content)

    async def close(self) -> None:
        """Give the connections back. A second call does nothing."""
        if self._session is not None:
            await self._session.close()
        self._session = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _exchange(self, request: Request[T]) -> tuple[int, Mapping[str, str], bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64))
        async with self._session.request(
            request.method,
            self.address.url + request.target,
            data=_body(request),
            headers=self.address.headers,
            timeout=aiohttp.ClientTimeout(total=request.patience, sock_connect=CONNECT),
        ) as response:
            return response.status, response.headers, await response.read()

    def _look_again(self) -> None:
        try:
            self.address = self.address.again()
        except EngineUnreachable:
            return  # the engine is away: the last address it had is as good as any


class SyncEngineClient:
    """Asks the engine and waits for the answer; for the command line and for threads. Holds nothing open."""

    def __init__(self, address: Address) -> None:
        self.address = address
        # The machine's http_proxy is for the outside; the engine is ours.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, request: Request[T]) -> T:
        """Ask once. Raises as the module says."""
        asked = urllib.request.Request(
            self.address.url + request.target, data=_body(request), headers=self.address.headers, method=request.method
        )
        try:
            with self._opener.open(asked, timeout=request.patience) as response:
                status, headers, content = response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            with error:
                status, headers, content = error.code, error.headers, error.read()
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(self.address, error) from error
        return _answer(request, self.address, status, headers, content)


# How both write and read


def _part(text: str) -> str:
    return quote(text, safe="")


def _incident(incident_id: str) -> str:
    return f"/api/v1/incidents/{_part(incident_id)}"


def _body(request: Request[T]) -> bytes | None:
    return None if request.body is None else json.dumps(dict(request.body)).encode()


def _unreachable(address: Address, error: Exception) -> EngineUnreachable:
    reason = str(error) or type(error).__name__
    return EngineUnreachable(f"The engine at {address.url} does not answer ({reason}).")


def _answer(request: Request[T], address: Address, status: int, headers: Mapping[str, str], content: bytes) -> T:
    if status == 204:
        return request.read({})
    try:
        if status < 400 and (headers.get("Content-Type") or "").startswith("text/calendar"):
            return request.read(content.decode())
        answer: Any = json.loads(content) if content else {}
        if status < 400:
            return request.read(answer)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if status < 400:
            raise EngineUnreachable(f"What answers at {address.url} is not a Tocsin engine ({error!r}).") from error
        answer = {}
    raise _refusal(address, status, headers, answer if isinstance(answer, dict) else {})


def _refusal(address: Address, status: int, headers: Mapping[str, str], answer: Mapping[str, Any]) -> TocsinError:
    sentence = str(answer.get("error") or f"The engine at {address.url} answered {status}.")
    match status:
        case 401 | 403:
            return EngineUnreachable(f"The engine at {address.url} does not accept our token.")
        case 404:
            return UnknownIncident(sentence)
        case 409:
            if answer.get("moved"):
                return CursorMoved(sentence)
            return StaleDriver(sentence) if answer.get("stale") else CommandRefused(sentence)
        case 503:
            return Overloaded(sentence, _retry_after(headers))
        case _ if status >= 500:
            return EngineUnreachable(sentence)
        case _:
            return SignalRefused([str(problem) for problem in answer.get("problems") or [sentence]])


def _retry_after(headers: Mapping[str, str]) -> int:
    wanted = headers.get("Retry-After") or ""
    return int(wanted) if wanted.isdigit() else 5


def _time(written: str | float | None) -> datetime | None:
    """A moment as the engine writes it: ISO 8601, or seconds since 1970."""
    if written is None:
        return None
    return datetime.fromisoformat(written) if isinstance(written, str) else from_stamp(written)


def _read_nothing(_: Any) -> None:
    return None


def _read_as_it_is(answer: Any) -> Any:
    return answer


def _read_move(answer: Any) -> Move:
    return Move(
        key=str(answer.get("key") or ""),
        kind=str(answer["kind"]),
        title=str(answer["title"]),
        due_at=_time(answer.get("due_at")),
        subject=str(answer.get("subject") or ""),
        person=str(answer.get("person") or ""),
    )


def _read_moves(answer: Any) -> Moves:
    return Moves(
        version=int(answer["version"]),
        status=str(answer["status"]),
        due=tuple(_read_move(each) for each in answer["due"]),
        wake_at=_time(answer.get("wake_at")),
        next=tuple(_read_move(each) for each in answer.get("next") or ()),
    )


def _read_performed(answer: Any) -> Performed:
    made = tuple(
        Made(str(each["key"]), str(each["kind"]), str(each["title"]), tuple(each.get("messages") or ()))
        for each in answer["performed"]
    )
    return Performed(int(answer["version"]), made)


def _read_driving(answer: Any) -> Driving:
    return Driving(int(answer["epoch"]), int(answer["number"]))


def _read_work(answer: Any) -> tuple[WorkItem, ...]:
    return tuple(
        WorkItem(
            incident=str(each["incident"]),
            severity=str(each["severity"]),
            situation=str(each["situation"]),
            drill=bool(each.get("drill")),
            title=str(each.get("title") or ""),
            due_at=_time(each.get("due_at")),
            runs=int(each.get("runs") or 0),
        )
        for each in answer["work"]
    )


def _read_feed(answer: Any) -> Feed:
    return Feed(int(answer["sequence"]), tuple(str(each) for each in answer["incidents"]))


def _read_sources(answer: Any) -> Sources:
    plan, folder = answer["listening"], answer["folder"]
    return Sources(
        stands=tuple(_read_stand(each) for each in answer["sources"]),
        listening=None if plan is None else json.dumps(plan),
        folder=None if folder is None else Path(folder),
    )


def _read_stand(answer: Any) -> SourceStand:
    return SourceStand(
        name=str(answer["name"]),
        kind=str(answer["kind"]),
        every=float(answer["every"]),
        webhook=bool(answer["webhook"]),
        cursor=answer["cursor"],
        moved_at=_time(answer["moved_at"]),
        polled_at=_time(answer["polled_at"]),
        polled_by=answer["polled_by"],
        trouble=answer["trouble"],
        trouble_since=_time(answer["trouble_since"]),
        silent=bool(answer["silent"]),
        not_before=_time(answer["not_before"]),
    )


def _read_kept(answer: Any) -> int:
    return int(answer["kept"])


def _read_fate(answer: Any) -> Fate:
    receipt = answer.get("expects_receipt")
    return Fate(
        message_id=str(answer["message_id"]),
        state=str(answer["state"]),
        channel=str(answer.get("channel") or ""),
        provider_id=answer.get("provider_id"),
        attempts=int(answer.get("attempts") or 0),
        failure=str(answer.get("failure") or answer.get("detail") or ""),
        expects_receipt=None if receipt is None else bool(receipt),
    )


def _read_incidents(answer: Any) -> list[IncidentLine]:
    lines: list[IncidentLine] = answer["incidents"]
    return lines


def _read_reply(answer: Any) -> Reply:
    return Reply(str(answer["sentence"]), answer["incident"])


def _read_trial_page(answer: Any) -> TrialPage:
    return TrialPage(str(answer["message_id"]), str(answer["sentence"]))
