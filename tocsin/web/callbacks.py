"""What comes back from people and providers: Twilio's status, SMS, calls and keys; Slack's go on to `slack_desk`.

Each is taken only with the provider's signature over the public address. An answer goes through the same door as a
command; the reply tells the person the truth about who has it. Providers get 200 or 403, never a 5xx for our refusals:
somebody would hear an error instead of a sentence.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qs, unquote

from contacts.addresses import ChannelKind
from contacts.directory import Contact
from engine.briefing import name_of
from engine.compose import reader_of
from engine.services import Engine
from engine.verification import VERIFY
from incidents.errors import CommandRefused, UnknownIncident
from incidents.ids import parse_incident_id
from notifications.channel import Answer
from notifications.channels import TwilioSettings
from notifications.inbound import Said
from notifications.wording import (
    Language,
    Reader,
    address_is_proven,
    no_such_code,
    not_understood,
    nothing_to_answer,
    number_is_back,
    number_is_out,
    other_address_is_proven,
)
from storage import codes
from storage.outbox import OutboxRow
from tocsin.web.http import Reply, Scope, error_reply, header
from tocsin.web.slack_desk import SlackDesk

XML = b"text/xml"
LIMIT = 256 * 1024
PATIENCE = 5
"""How often one number is told that it was not understood, until it says something that is."""


class Callbacks:
    """Built once an engine; a provider that is not configured answers 404 to everybody."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        settings = engine.config.channels
        self._twilio: _Twilio | None = None
        if settings.twilios and settings.public_url is not None:
            self._twilio = _Twilio(engine, settings.twilios, settings.public_url)
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
    def __init__(self, engine: Engine, accounts: Sequence[TwilioSettings], public_url: str) -> None:
        # Imported here, because the SDK costs a quarter of a second at start and many installations have no Twilio.
        from notifications import twilio_webhooks, twiml  # noqa: PLC0415

        self._engine = engine
        self._webhooks = twilio_webhooks
        self._twiml = twiml
        self._signatures = twilio_webhooks.TwilioSignatures((each.account_sid, each.auth_tokens) for each in accounts)
        self._public_url = public_url.rstrip("/")
        self._not_understood: Counter[str] = Counter()

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
            await self._engine.receipts.report(self._webhooks.status_report(message_id, form))
            return _xml(self._twiml.reply(None))
        row = await self._engine.message(message_id)
        if row is None or duty not in ("voice", "gather"):
            return _xml(self._twiml.say("This call is no longer needed. Goodbye.", "en"))
        if duty == "voice":
            return await self._voice(row, form)
        attempt = self._webhooks.menu_attempt(parse_qs(query).get("attempt", [None])[0])
        return _xml(await self._gather(row, form, attempt))

    async def _voice(self, row: OutboxRow, form: dict[str, str]) -> Reply:
        await self._engine.receipts.report(self._webhooks.pick_up_report(row.message_id, form))
        if row.incident_id == VERIFY:
            answered_by = form.get("AnsweredBy")
            return _xml(self._twiml.ask_for_proof(row.text, _language(row), self._action(row), answered_by=answered_by))
        document = self._twiml.ask(
            row.text,
            _language(row),
            self._action(row),
            answered_by=form.get("AnsweredBy"),
            question=_asks_a_question(row),
        )
        return _xml(document)

    async def _gather(self, row: OutboxRow, form: dict[str, str], attempt: int) -> str:
        if row.incident_id == VERIFY:
            return await self._proof_by_key(row, form, attempt)
        question = _asks_a_question(row)
        answer = self._webhooks.key_answer(row.message_id, form, attempt, question=question)
        language, action = _language(row), self._action(row)
        if answer.verb == "repeat":
            return self._twiml.ask(row.text, language, action, attempt=attempt, question=question)
        contact = self._engine.directory.contact(row.contact)
        if answer.verb == "unknown" or contact is None:
            heard = self._webhooks.heard_a_key(form)
            return self._twiml.ask_again(
                row.text, language, action, attempt=attempt, heard_a_key=heard, question=question
            )
        incidents = await self._engine.incidents_of(row)
        return self._twiml.say(await self._for_each(answer, contact, incidents, "voice"), language)

    async def _for_each(self, answer: Answer, contact: Contact, incidents: Sequence[str], channel: str) -> str:
        """One answer to every incident that it is for; each sentence says the truth about one of them."""
        if len(incidents) == 1:
            return await _carry_out(self._engine, answer, contact, incidents[0], channel)
        sentences = []
        for incident in incidents:
            event = None if answer.event_id is None else f"{answer.event_id}:{incident}"
            one = replace(answer, message_id=None, incident=incident, event_id=event)
            sentences.append(await _carry_out(self._engine, one, contact, incident, channel))
        return " ".join(sentences)

    async def _sms(self, form: dict[str, str]) -> str | None:
        """The reply to an inbound SMS; None to strangers, who learn nothing."""
        said, sender = self._webhooks.sms_said(form), form.get("From", "")
        numbers = self._engine.numbers
        if said.verb == "stop":
            return await self._stop(sender)
        row = await self._engine.latest_page_to(sender, said.incident)
        contact = self._who_answers(sender, row)
        if contact is None:
            return None
        reader = reader_of(contact)
        bare = said.code is None and said.incident is None
        if said.verb == "start" or (said.verb == "yes" and bare and sender in self._engine.book.live.out):
            await numbers.put_back(sender)
            return number_is_back(reader)
        if bare and numbers.is_code(form.get("Body", "")):
            return await self._proof(form.get("Body", ""), sender, reader)
        incidents = await self._meant(said, sender, row)
        if said.code is not None and incidents:
            # Two people may share a telephone: who answers is whom *that* page was for.
            row = await self._engine.latest_page_to(sender, incidents[0]) or row
            contact = self._who_answers(sender, row) or contact
        if said.verb in ("unknown", "repeat") or not incidents:
            return self._puzzled(sender, said, row, reader)
        del self._not_understood[sender]
        # Who names an incident need not have been paged for it: a colleague may have told them.
        message_id = None if row is None or row.kind == "bundle" or row.incident_id not in incidents else row.message_id
        answer = Answer(said.verb, message_id, incidents[0], self._webhooks.sms_event_id(form), sender)
        return await self._for_each(answer, contact, incidents, "sms")

    async def _meant(self, said: Said, sender: str, row: OutboxRow | None) -> list[str]:
        """The incidents of a code or a number; else those of the last message to this phone."""
        if said.incident is not None:
            return [said.incident]
        if said.code is not None:
            code = said.code
            return self._engine.database.read_now(lambda tx: codes.incidents_of(tx, sender, code))
        return [] if row is None else await self._engine.incidents_of(row)

    def _puzzled(self, sender: str, said: Said, row: OutboxRow | None, reader: Reader) -> str | None:
        """What somebody of ours is told whose words mean nothing; a machine that answers us is not told for ever."""
        self._not_understood[sender] += 1
        if self._not_understood[sender] > PATIENCE:
            return None
        if said.code is not None and said.verb != "unknown":
            return no_such_code(reader, said.code)
        if row is None or parse_incident_id(row.incident_id) is None:
            return not_understood(reader)
        incident = row.incident_id
        code = self._engine.database.read_now(lambda tx: codes.known_code(tx, sender, incident))
        return not_understood(reader, code, incident)

    async def _stop(self, sender: str) -> str | None:
        """No page goes to this number any more, and whoever comes after its owner is called now."""
        contact = self._engine.contact_at(sender)
        if contact is None:
            return None
        await self._engine.numbers.take_out(sender, "its owner wrote STOP")
        return number_is_out(reader_of(contact))

    async def _proof_by_key(self, row: OutboxRow, form: dict[str, str], attempt: int) -> str:
        """Who presses the key in a verification call has the telephone in their hand."""
        language, key = _language(row), self._webhooks.key_answer(row.message_id, form, attempt).verb
        contact = self._engine.directory.contact(row.contact)
        if key == "acknowledge" and contact is not None and await self._engine.verification.confirm_call(row):
            return self._twiml.say(address_is_proven(reader_of(contact)), language)
        again = attempt if key == "repeat" else attempt + 1
        return self._twiml.ask_for_proof(row.text, language, self._action(row), attempt=again)

    async def _proof(self, code: str, sender: str, reader: Reader) -> str:
        """A code proves the address that it was sent to, which need not be the one that it comes from."""
        try:
            channel, address, owner = await self._engine.verification.confirm(code, sender)
        except CommandRefused as error:
            return str(error)
        if (channel, address) == (ChannelKind.SMS, sender):
            return address_is_proven(reader)
        return other_address_is_proven(reader, name_of(owner, self._engine.directory), channel, address)

    def _who_answers(self, sender: str, row: OutboxRow | None) -> Contact | None:
        """Whom the page was for: two people may share a duty telephone. Not somebody who has given it back since."""
        paged = None if row is None else self._engine.directory.contact(row.contact)
        if paged is not None and any(channel.to == sender for channel in paged.channels):
            return paged
        return self._engine.contact_at(sender)

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


def _asks_a_question(row: OutboxRow) -> bool:
    return row.escalation is not None and row.escalation.startswith("question-")


def _language(row: OutboxRow) -> Language:
    return "es" if row.language == "es" else "en"


def _xml(document: str) -> Reply:
    return Reply(200, document.encode(), XML)
