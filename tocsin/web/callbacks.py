"""What comes back from people and providers: Twilio's status, SMS, calls and keys; Slack's go on to `slack_desk`.

Each is taken only with the provider's signature over the public address. An answer goes through the same door as a
command; the reply tells the person the truth about who has it. Providers get 200 or 403, never a 5xx for our refusals:
somebody would hear an error instead of a sentence.
"""

from datetime import timedelta
from urllib.parse import parse_qs, unquote

from contacts.directory import Contact
from engine.compose import reader_of
from engine.services import Engine
from incidents.errors import CommandRefused, UnknownIncident
from incidents.ids import parse_incident_id
from notifications.channel import Answer
from notifications.wording import Language, not_understood, nothing_to_answer, which_one
from storage import outbox
from storage.outbox import OutboxRow
from tocsin.web.http import Reply, Scope, error_reply, header
from tocsin.web.slack_desk import SlackDesk

XML = b"text/xml"
LIMIT = 256 * 1024
LATELY = timedelta(minutes=30)
"""An answer without a number is asked which incident it means when several paged its sender within this time."""
_LETTERS = {"acknowledge": "a", "escalate": "e", "pass": "p", "resolve": "c"}


class Callbacks:
    """Built once an engine; a provider that is not configured answers 404 to everybody."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        settings = engine.config.channels
        self._twilio: _Twilio | None = None
        if settings.has_twilio and settings.public_url is not None:
            self._twilio = _Twilio(engine, settings.twilio_auth_tokens, settings.public_url)
        has_slack = settings.has_slack or settings.slack_signing_secret is not None
        self._slack = SlackDesk(engine) if has_slack else None

    async def take(self, path: str, scope: Scope, body: bytes) -> Reply:
        """`path` begins with /twilio/ or /slack/."""
        if path.startswith("/twilio/") and self._twilio is not None:
            return await self._twilio.take(path, scope, body)
        if path.startswith("/slack/") and self._slack is not None:
            return await self._slack.over_http(path, scope, body)
        return error_reply(404, "This provider is not configured here.")


class _Twilio:
    def __init__(self, engine: Engine, tokens: tuple[str, ...], public_url: str) -> None:
        # Imported here, because the SDK costs a quarter of a second at start and many installations have no Twilio.
        from notifications import twilio_webhooks, twiml  # noqa: PLC0415

        self._engine = engine
        self._webhooks = twilio_webhooks
        self._twiml = twiml
        self._signatures = twilio_webhooks.TwilioSignatures(tokens)
        self._public_url = public_url.rstrip("/")

    async def take(self, path: str, scope: Scope, body: bytes) -> Reply:
        form = self._webhooks.read_form(body)
        query = scope["query_string"].decode("latin-1")
        raw_path = scope.get("raw_path", path.encode()).decode("latin-1").split("?", 1)[0]
        url = self._public_url + raw_path + (f"?{query}" if query else "")
        if not self._signatures.accept(url, form, header(scope, b"x-twilio-signature") or None):
            return error_reply(403, "The request is not signed by Twilio for this address.")
        _, _, duty, *rest = path.split("/", 3)
        message_id = unquote(rest[0]) if rest else ""
        if duty == "sms":
            return _xml(self._twiml.reply(await self._sms(form)))
        if duty == "status":
            await self._engine.report(self._webhooks.status_report(message_id, form))
            return _xml(self._twiml.reply(None))
        row = await self._engine.message(message_id)
        if row is None or duty not in ("voice", "gather"):
            return _xml(self._twiml.say("This call is no longer needed. Goodbye.", "en"))
        if duty == "voice":
            return await self._voice(row, form)
        attempt = self._webhooks.menu_attempt(parse_qs(query).get("attempt", [None])[0])
        return _xml(await self._gather(row, form, attempt))

    async def _voice(self, row: OutboxRow, form: dict[str, str]) -> Reply:
        await self._engine.report(self._webhooks.pick_up_report(row.message_id, form))
        return _xml(self._twiml.ask(row.text, _language(row), self._action(row), answered_by=form.get("AnsweredBy")))

    async def _gather(self, row: OutboxRow, form: dict[str, str], attempt: int) -> str:
        answer = self._webhooks.key_answer(row.message_id, form, attempt)
        language, action = _language(row), self._action(row)
        if answer.verb == "repeat":
            return self._twiml.ask(row.text, language, action, attempt=attempt)
        contact = self._engine.directory.contact(row.contact)
        if answer.verb == "unknown" or contact is None:
            heard = self._webhooks.heard_a_key(form)
            return self._twiml.ask_again(row.text, language, action, attempt=attempt, heard_a_key=heard)
        return self._twiml.say(await _carry_out(self._engine, answer, contact, row.incident_id, "voice"), language)

    async def _sms(self, form: dict[str, str]) -> str | None:
        """The reply to an inbound SMS; None to strangers, who learn nothing."""
        answer = self._webhooks.sms_answer(form)
        sender = answer.sender or ""
        row = await self._engine.latest_page_to(sender, answer.incident)
        contact = self._who_answers(sender, row)
        if contact is None:
            return None
        reader = reader_of(contact)
        incident = answer.incident or (None if row is None else row.incident_id)
        if answer.verb in ("unknown", "repeat") or incident is None:
            return not_understood(reader, incident)
        meant = [] if answer.incident is not None else self._paged_lately(sender)
        if len(meant) > 1:
            return which_one(meant, _LETTERS[answer.verb], reader)
        # Who names an incident need not have been paged for it: a colleague may have told them.
        message_id = None if row is None else row.message_id
        addressed = Answer(answer.verb, message_id, incident, answer.event_id, answer.sender)
        return await _carry_out(self._engine, addressed, contact, incident, "sms")

    def _who_answers(self, sender: str, row: OutboxRow | None) -> Contact | None:
        """Whom the page was for: two people may share a duty telephone. Not somebody who has given it back since."""
        paged = None if row is None else self._engine.directory.contact(row.contact)
        if paged is not None and any(channel.to == sender for channel in paged.channels):
            return paged
        return self._engine.contact_at(sender)

    def _paged_lately(self, sender: str) -> list[str]:
        since = self._engine.clock.now() - LATELY
        return self._engine.database.read_now(
            lambda tx: outbox.open_incidents_paged(tx, sender, since.timestamp()),
        )

    def _action(self, row: OutboxRow) -> str:
        return f"{self._public_url}/twilio/gather/{row.message_id}"


async def _carry_out(engine: Engine, answer: Answer, contact: Contact, incident_id: str, channel: str) -> str:
    """The sentence for the person, whether the rules allowed it or not."""
    if parse_incident_id(incident_id) is None:
        return nothing_to_answer(reader_of(contact))
    try:
        return await engine.answer(answer, contact, incident_id, channel)
    except (CommandRefused, UnknownIncident) as error:
        return str(error)


def _language(row: OutboxRow) -> Language:
    return "es" if row.language == "es" else "en"


def _xml(document: str) -> Reply:
    return Reply(200, document.encode(), XML)
