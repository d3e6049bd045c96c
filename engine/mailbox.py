"""Mail that comes back: answers carried out, bounces reported, everything else dropped without a word.

Two ways in: our own LMTP server (engine/lmtp.py), and a mailbox that is read by IMAP (engine/imap.py). Both may give
the same mail twice: an answer is remembered by its Message-ID, and its reply is a row of the outbox with a derived id.
"""

import asyncio
import hmac
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from contacts.addresses import ChannelKind
from contacts.directory import Contact, Directory
from engine.clock import Clock
from engine.compose import NOTICE_PRIORITY, digest, reader_of
from engine.numbers import Numbers
from engine.outside import TRIAL
from engine.pager import Pager
from engine.receipts import Receipts
from engine.verification import Verification
from incidents.errors import CommandRefused, UnknownIncident
from incidents.ids import parse_incident_id
from notifications.channel import Answer
from notifications.email_account import EmailAccount
from notifications.email_tokens import MailToken, Sign
from notifications.wording import (
    address_is_proven,
    in_no_thread,
    mail_answer,
    message_code,
    not_understood_by_mail,
    nothing_to_answer,
)
from storage import outbox
from storage.database import Database, Tx
from storage.outbox import OutboxRow

if TYPE_CHECKING:
    from notifications.email_inbound import MailReply

log = logging.getLogger("tocsin.mail")

MOST_UNCLEAR = 3
"""How often a person is told that their mail was not understood, an incident: two machines must not go on for ever."""
_UNCLEAR = "mail-unclear"


class Desk(Protocol):
    """What the mailbox needs of the engine around it."""

    clock: Clock
    database: Database
    pager: Pager
    epoch: int
    numbers: Numbers
    verification: Verification
    receipts: Receipts

    @property
    def directory(self) -> Directory: ...

    async def answer(self, answer: Answer, contact: Contact, incident_id: str, channel: str) -> str: ...

    async def latest_page_to(self, address: str, incident_id: str | None) -> OutboxRow | None: ...

    async def page_operators(self, subject: str, sentence: str) -> None: ...


class Door(Protocol):
    """One way in. `stop` returns when it gives no more mail; a second call does nothing."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Mailbox:
    """`start` opens the ways in that the account has; without an account there are none. `take` is given each mail."""

    def __init__(self, engine: Desk, account: EmailAccount | None, sign: Sign) -> None:
        self._engine = engine
        self._account = account
        self._sign = sign
        self._doors: list[Door] = []

    async def start(self) -> None:
        """Never raises: an engine without its mailbox still pages, and its operators are told."""
        account = self._account
        if account is None:
            return
        # Imported here, because most installations have at most one of them.
        if account.lmtp_port is not None:
            from engine.lmtp import LmtpServer  # noqa: PLC0415

            self._doors.append(LmtpServer(account.lmtp_host, account.lmtp_port, account.from_address, self.take))
        if account.imap_host is not None:
            from engine.imap import ImapPoller  # noqa: PLC0415

            self._doors.append(ImapPoller(account, self.take, self._cannot_hear))
        for door in self._doors:
            try:
                await door.start()
            except OSError as error:
                await self._cannot_hear(str(error))

    async def stop(self) -> None:
        for door in self._doors:
            await door.stop()

    async def _cannot_hear(self, because: str) -> None:
        """Answers do not arrive by mail; the operators hear it once a day."""
        log.error("mail cannot be taken error=%s", because)
        today = f"{self._engine.clock.now():%Y%m%d}"
        await self._engine.page_operators(f"mail-in-{today}", f"answers and bounces by mail do not arrive: {because}")

    async def take(self, content: bytes, recipients: Sequence[str] = (), sender: str | None = None) -> None:
        """One mail, with its envelope where that is known. Raises when it could not be kept: it must be given again."""
        if self._account is None:
            return
        from notifications.email_inbound import MailBounce, MailReply, read_mail  # noqa: PLC0415 - with its SMTP library

        found = await asyncio.to_thread(read_mail, content, self._account.from_address, recipients, sender)
        match found:
            case MailBounce():
                row = self._row(found.tokens)
                if row is not None:
                    await self._engine.receipts.report(found.of(row.message_id, row.provider_id or ""))
            case MailReply():
                row = self._row(found.tokens)
                contact = self._who(row, found.answer.sender or "", forged=found.forged)
                if contact is None:
                    log.info("mail dropped: neither its address nor its sender is known")
                    return
                await _Correspondence(self._engine, found, contact, row).answer()

    def _row(self, tokens: Sequence[MailToken]) -> OutboxRow | None:
        """The first message of ours that one of these tokens was made for."""
        for token in tokens:
            for row in self._messages_of(token.incident):
                is_it = row.code == token.code and row.channel == ChannelKind.EMAIL
                if is_it and hmac.compare_digest(self._sign(row.message_id), token.signature):
                    return row
        return None

    def _messages_of(self, incident: str) -> list[OutboxRow]:
        return self._engine.database.read_now(lambda tx: outbox.of_incident(tx, incident))

    def _who(self, row: OutboxRow | None, sender: str, *, forged: bool) -> Contact | None:
        """Whose address it is, else the one whom the message went to: they may write from another mailbox of theirs."""
        known = None if forged else self._contact_at(sender)
        return known or (None if row is None else self._engine.directory.contact(row.contact))

    def _contact_at(self, sender: str) -> Contact | None:
        return next((each for each in self._engine.directory.contacts if address_of(each, sender) is not None), None)


def address_of(contact: Contact, sender: str) -> str | None:
    """This mail address as contacts.yaml writes it, if it is one of the contact's. Case says nothing in an address."""
    addresses = [channel.to for channel in contact.channels if ChannelKind(channel.kind) is ChannelKind.EMAIL]
    return next((each for each in addresses if each.casefold() == sender.casefold()), None)


class _Correspondence:
    """One mail of one person: what it asks for is done, and the person is told the truth about it."""

    def __init__(self, engine: Desk, mail: "MailReply", contact: Contact, row: OutboxRow | None) -> None:
        self._engine = engine
        self._mail = mail
        self._contact = contact
        self._row = row

    async def answer(self) -> None:
        said, row = self._mail.answer, self._row
        if self._engine.numbers.is_code(self._mail.words):
            return await self._prove(self._mail.words)
        incident = said.incident or (None if row is None else row.incident_id)
        if incident is not None and parse_incident_id(incident) is None:
            return await self._tell(nothing_to_answer(reader_of(self._contact)), incident)
        if said.verb in ("unknown", "repeat", "stop", "start") or incident is None:
            return await self._ask_again(incident)
        about_it = row is not None and row.kind == "page" and row.incident_id == incident
        answer = self._mail.to(row.message_id if about_it and row is not None else None)
        try:
            sentence = await self._engine.answer(answer, self._contact, incident, "email")
        except (CommandRefused, UnknownIncident) as error:
            sentence = str(error)
        return await self._tell(sentence, incident)

    async def _prove(self, code: str) -> None:
        """They write back the code that shows that we reach them."""
        about = TRIAL if self._row is None else self._row.incident_id
        try:
            await self._engine.verification.confirm(code, self._contact.id)
        except CommandRefused as error:
            return await self._tell(str(error), about)
        return await self._tell(address_is_proven(reader_of(self._contact)), about)

    async def _ask_again(self, incident: str | None) -> None:
        """Not understood, or without a number and in no thread of ours: nothing is changed, and they are told so."""
        reader = reader_of(self._contact)
        if incident is not None:
            asked = self._row is not None and (self._row.escalation or "").startswith("question-")
            return await self._puzzled(not_understood_by_mail(reader, asked=asked), incident)
        latest = await self._engine.latest_page_to(self._address, None)
        if latest is not None and parse_incident_id(latest.incident_id) is not None:
            await self._puzzled(in_no_thread(latest.incident_id, reader), latest.incident_id)
        return None

    async def _puzzled(self, sentence: str, incident: str) -> None:
        row = self._reply(sentence, incident, _UNCLEAR)

        def work(tx: Tx) -> None:
            told = outbox.of_incident(tx, incident)
            before = [each for each in told if f".{_UNCLEAR}-" in each.message_id and each.contact == row.contact]
            if len(before) < MOST_UNCLEAR:
                outbox.insert(tx, [row])

        await self._engine.database.write(work)
        self._engine.pager.nudge()

    @property
    def _address(self) -> str:
        """Where they are told: where they wrote from, if that is theirs; else where our message went."""
        theirs = address_of(self._contact, self._mail.answer.sender or "")
        return theirs or (self._row.address if self._row is not None else "")

    async def _tell(self, sentence: str, incident: str) -> None:
        """The same mail a second time adds nothing."""
        row = self._reply(sentence, incident, "mail")
        await self._engine.database.write(lambda tx: outbox.insert(tx, [row]))
        self._engine.pager.nudge()

    def _reply(self, sentence: str, incident: str, kind: str) -> OutboxRow:
        """A reply in the thread."""
        mail, stamp = self._mail, self._engine.clock.now().timestamp()
        message_id = f"{self._engine.epoch}.{incident}.{kind}-{digest(mail.answer.event_id or '')[:16]}"
        drill = self._row is not None and self._row.drill
        thread = mail.references if mail.header_id is None else (*mail.references, mail.header_id)
        return OutboxRow(
            message_id=message_id,
            incident_id=incident,
            escalation=None,
            kind="notice",
            channel=ChannelKind.EMAIL.value,
            contact=self._contact.id,
            address=self._address,
            language=self._contact.speaks,
            text=mail_answer(
                sentence,
                subject=mail.subject,
                thread=thread,
                message_id=message_id,
                language=self._contact.speaks,
                drill=drill,
            ),
            code=message_code(message_id),
            drill=drill,
            priority=NOTICE_PRIORITY,
            due_at=stamp,
            created_at=stamp,
            updated_at=stamp,
        )
