"""What a request of Slack's leads to: the same whether it came by HTTP or over the socket.

Slack waits three seconds. What a person asked is carried out first and acknowledged then, so that an acknowledged
answer is a durable one; work that takes longer than two seconds is acknowledged and goes on, and the person is told
when it is done. Slack ignores the body that acknowledges a button: its sentence goes to the reply address instead
(https://docs.slack.dev/interactivity/handling-user-interaction#message_responses).
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, assert_never

from contacts.directory import Contact
from engine.briefing import name_of
from engine.compose import reader_of
from engine.services import Engine
from incidents import commands as c
from incidents.errors import CommandRefused, NotificationError, TocsinError, UnknownIncident
from incidents.ids import parse_incident_id
from incidents.severity import Severity
from notifications import slack_modals as forms
from notifications import slack_words as words
from notifications.channel import Answer
from notifications.inbound import Verb
from notifications.slack_requests import (
    COMMANDS,
    INTERACTIVE,
    ButtonPress,
    SlackRequest,
    SlashCommand,
    Submission,
    form_of,
    payload_of,
    read_request,
)
from notifications.wording import Language, nothing_to_answer
from storage import log as incident_log
from storage.log import IncidentRow
from tocsin.web.http import JSON, Reply, Scope, error_reply, header, json_reply
from tocsin.web.slack_pages import SlackPages
from tocsin.web.slack_trouble import SlackTrouble

if TYPE_CHECKING:
    from notifications.slack import SlackWeb

log = logging.getLogger("tocsin.slack")
T = TypeVar("T")

ANSWER_WITHIN = 2.0
"""Seconds; Slack's three less the way back."""
_LAST_WORDS = 1.0
_LISTED = 20
_KINDS = {"/slack/interactions": INTERACTIVE, "/slack/commands": COMMANDS}
_VERBS: dict[str, Verb] = {
    "ack": "acknowledge", "acknowledge": "acknowledge", "take": "acknowledge", "tomo": "acknowledge",
    "escalate": "escalate", "escalar": "escalate", "pass": "pass", "paso": "pass",
    "yes": "yes", "sí": "yes", "si": "yes", "no": "no", "call": "call",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Said:
    """What the person hears; `errors` keep their form open, a sentence a field."""

    text: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        return self.text or " ".join(self.errors.values())


class SlackDesk:
    """Built once an engine. `start` opens the socket where there is an app token; `stop` ends what it started."""

    def __init__(self, engine: Engine) -> None:
        # Imported here, because the SDK costs a quarter of a second at start and many installations have no Slack.
        from notifications import slack, slack_webhooks  # noqa: PLC0415

        self._engine = engine
        self._settings = engine.config.channels
        self._signed_by_slack = slack_webhooks.signed_by_slack
        base_url = self._settings.slack_base_url or slack.BASE_URL
        self._web: SlackWeb = slack.SlackWeb(self._settings.slack_bot_token or "", base_url)
        self._pages = SlackPages(engine, self._web)
        self._lasting: set[asyncio.Task[Any]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        engine.accompany(self)

    # --- life ---

    def start(self) -> None:
        """Called once the engine pages. Nothing that goes wrong here ever stops it."""
        if not self._settings.has_slack:
            return
        self._begin(self._pages.run(), "slack-pages", self._lasting)
        if self._settings.slack_app_token is not None:
            from notifications.slack_socket import SlackSocket  # noqa: PLC0415 - as above

            trouble = SlackTrouble(self._engine, "slack-socket").tell
            socket = SlackSocket(self._settings.slack_app_token, self.take, self._web.base_url, trouble=trouble)
            self._begin(socket.run(), "slack-socket", self._lasting)

    async def stop(self) -> None:
        """What is being carried out or told is given a second; the rest is ended. A second call does nothing."""
        for task in self._lasting:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_WORDS)
        left = [*self._lasting, *self._tasks]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._web.close()

    def _begin(
        self, work: Coroutine[Any, Any, T], name: str, among: set[asyncio.Task[Any]] | None = None
    ) -> "asyncio.Task[T]":
        """Keeps hold of the task, which the loop itself does not."""
        task = asyncio.create_task(work, name=name)
        (self._tasks if among is None else among).add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        self._lasting.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("slack work failed task=%s", task.get_name(), exc_info=task.exception())

    # --- the two ways in ---

    async def over_http(self, path: str, scope: Scope, body: bytes) -> Reply:
        """A request to /slack/…: 404 for what is not configured, 401 unless Slack has signed it, else 200."""
        secret, kind = self._settings.slack_signing_secret, _KINDS.get(path)
        if not secret or kind is None:
            return error_reply(404, "This provider is not configured here.")
        signed = self._signed_by_slack(
            body,
            timestamp=header(scope, b"x-slack-request-timestamp") or None,
            signature=header(scope, b"x-slack-signature") or None,
            signing_secret=secret,
            now=self._engine.clock.now(),
        )
        if not signed:
            return error_reply(401, "The request is not signed by Slack, or is older than five minutes.")
        answer = await self.take(kind, form_of(body) if kind == COMMANDS else payload_of(body))
        return Reply(200, b"", JSON) if answer is None else json_reply(200, answer)

    async def take(self, kind: str, payload: Mapping[str, Any]) -> dict[str, Any] | None:
        """What goes back with the acknowledgement, within two seconds; None where nothing does."""
        request = read_request(kind, payload)
        if request is None:
            return None
        task = self._begin(self._said(request), "slack-request")
        done, _ = await asyncio.wait({task}, timeout=ANSWER_WITHIN)
        if not done:
            self._begin(self._tell_later(request, task), "slack-late-reply")
            return None
        said = task.result()
        match request:
            case SlashCommand() if said.sentence:
                return {"response_type": "ephemeral", "text": said.sentence}
            case Submission() if said.errors:
                return forms.refusal(said.errors)
            case _:
                self._begin(self._tell(request, said.sentence), "slack-reply")
                return None

    async def _tell_later(self, request: SlackRequest, task: "asyncio.Task[_Said]") -> None:
        await self._tell(request, (await task).sentence)

    async def _tell(self, request: SlackRequest, sentence: str) -> None:
        """To the person alone: at the reply address of what they did, else in their direct messages."""
        if not sentence:
            return
        address = request.note.get("reply_to") if isinstance(request, Submission) else request.reply_to
        person = request.answer.sender if isinstance(request, ButtonPress) else request.person
        try:
            if address:
                await self._web.reply(address, sentence)
                return
        except NotificationError as error:
            log.warning("slack reply not delivered error=%s", error)
        try:
            if person:
                await self._web.tell(person, sentence)
        except NotificationError as error:
            log.warning("slack person not told error=%s", error)

    # --- what is asked ---

    async def _said(self, request: SlackRequest) -> _Said:
        try:
            match request:
                case ButtonPress():
                    return await self._pressed(request)
                case Submission():
                    return await self._submitted(request)
                case SlashCommand():
                    return await self._ordered(request)
                case _:
                    assert_never(request)
        except (CommandRefused, UnknownIncident) as error:
            return _Said(words.safe(str(error)))
        except TocsinError as error:
            log.error("slack request not carried out error=%s", error)
            return _Said(words.safe(words.not_done(str(error))))
        except Exception:
            log.exception("slack request failed")
            return _Said(words.not_done("something in Tocsin is broken."))

    async def _pressed(self, press: ButtonPress) -> _Said:
        answer = press.answer
        person = answer.sender or ""
        row, contact = await self._engine.message(answer.message_id or ""), self._engine.contact_at(person)
        if row is None:
            return _Said(words.unknown_message())
        if contact is None:
            return _Said(words.safe(words.stranger(person)))
        if parse_incident_id(row.incident_id) is None:
            return _Said(nothing_to_answer(reader_of(contact)))
        if answer.verb == "resolve":
            view = forms.resolve_view(row.incident_id, press.reply_to, reader_of(contact).language)
            instead = f"{words.COMMAND} resolve {row.incident_id} …"
            return await self._form(press.trigger, view, instead, reader_of(contact).language)
        return _Said(words.safe(await self._engine.answer(answer, contact, row.incident_id, "slack")))

    async def _form(self, trigger: str | None, view: Mapping[str, Any], instead: str, language: Language) -> _Said:
        """Open a form; says nothing when it opens."""
        try:
            await self._web.open_form(trigger or "", view)
        except NotificationError as error:
            return _Said(words.no_form(str(error).rstrip("."), instead, language))
        return _Said()

    async def _submitted(self, form: Submission) -> _Said:
        first = forms.TITLE if form.form == forms.DECLARE else forms.NOTE
        contact = self._engine.contact_at(form.person)
        if contact is None:
            return _Said(errors={first: words.stranger(form.person)})
        try:
            match form.form:
                case forms.DECLARE:
                    return await self._declare(form, contact)
                case forms.RESOLVE:
                    return await self._resolve_form(form, contact)
                case _:
                    return _Said()
        except (CommandRefused, UnknownIncident) as error:
            return _Said(errors={first: str(error)})
        except TocsinError as error:
            log.error("slack form not carried out error=%s", error)
            return _Said(errors={first: words.not_done(str(error))})

    async def _declare(self, form: Submission, contact: Contact) -> _Said:
        title, known = form.given.get(forms.TITLE, ""), form.given.get(forms.KNOWN)
        situation, severity = form.given.get(forms.SITUATION, ""), form.given.get(forms.SEVERITY)
        if len(title) > forms.LONGEST_TITLE:
            return _Said(errors={forms.TITLE: f"At most {forms.LONGEST_TITLE} characters."})
        if situation not in self._engine.book.plan.situations:
            return _Said(errors={forms.SITUATION: "The plan does not have this situation any more; choose another."})
        if severity is not None and severity not in Severity.__members__:
            return _Said(errors={forms.SEVERITY: "Choose SEV1, SEV2, SEV3 or SEV4."})
        _, sentence = await self._engine.declare(
            title=title,
            situation=situation,
            severity=None if severity is None else Severity(severity),
            by=f"person:{contact.id}",
            because=() if known is None else (known[: forms.LONGEST_TEXT],),
            impact=forms.impact_of(form.given),
            command_id=f"slack:{form.view}",
        )
        return _Said(words.safe(sentence))

    async def _resolve_form(self, form: Submission, contact: Contact) -> _Said:
        incident = parse_incident_id(form.note.get("incident", ""))
        if incident is None:
            return _Said(errors={forms.NOTE: "This form belongs to no incident."})
        note = form.given.get(forms.NOTE, "")
        return _Said(words.safe(await self._resolve(incident, note, contact, f"slack:{form.view}")))

    async def _resolve(self, incident: str, note: str, contact: Contact, command_id: str | None) -> str:
        if not note:
            raise CommandRefused("Resolving needs a note: what resolved it?")
        command = c.Resolve(note[: forms.LONGEST_TEXT], f"person:{contact.id}", contact.id)
        return await self._engine.command(incident, lambda _incident, _now: command, command_id)

    async def _ordered(self, order: SlashCommand) -> _Said:
        contact = self._engine.contact_at(order.person)
        if contact is None:
            return _Said(words.safe(words.stranger(order.person)))
        match order.verb:
            case "declare":
                return await self._declare_form(order, contact)
            case "status":
                return _Said(await self._status(contact))
            case verb if verb in _VERBS or verb in ("note", "resolve"):
                return await self._on_incident(order, contact)
            case _:
                return _Said(words.help_text(reader_of(contact).language))

    async def _declare_form(self, order: SlashCommand, contact: Contact) -> _Said:
        situations = [(each, known.title) for each, known in self._engine.book.plan.situations.items()]
        language, matrix = reader_of(contact).language, self._engine.book.plan.matrix
        view = forms.declare_view(order.rest, situations, order.reply_to, language, matrix)
        return await self._form(order.trigger, view, f"{words.COMMAND} declare {words.safe(order.rest)}", language)

    async def _on_incident(self, order: SlashCommand, contact: Contact) -> _Said:
        named, _, text = order.rest.partition(" ")
        incident = parse_incident_id(named)
        if incident is None:
            return _Said(words.which_incident(order.verb, reader_of(contact).language))
        if order.verb == "resolve":
            return _Said(words.safe(await self._resolve(incident, text.strip(), contact, order.event_id)))
        if order.verb == "note":
            note = c.AddNote(text.strip()[: forms.LONGEST_TEXT], f"person:{contact.id}")
            return _Said(words.safe(await self._engine.command(incident, lambda _i, _n: note, order.event_id)))
        answer = Answer(_VERBS[order.verb], None, incident, order.event_id, order.person)
        return _Said(words.safe(await self._engine.answer(answer, contact, incident, "slack")))

    async def _status(self, contact: Contact) -> str:
        rows = await self._engine.database.read(lambda tx: incident_log.open_rows_for(tx, contact.id, _LISTED + 1))
        if not rows:
            return words.nothing_open(reader_of(contact).language)
        lines = [self._line(row, contact) for row in rows[:_LISTED]]
        return "\n".join([*lines, "…"] if len(rows) > _LISTED else lines)

    def _line(self, row: IncidentRow, contact: Contact) -> str:
        link = self._engine.links.url(row.id, contact.id)
        named = row.id if link is None else f"<{link}|{row.id}>"
        drill = "DRILL " if row.drill else ""
        commander = name_of(row.commander, self._engine.directory)
        return f"{drill}*{named}* {row.severity} {row.status} · {words.safe(commander)} · {words.safe(row.title)}"
