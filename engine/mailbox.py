"""Mail that comes back: answers carried out, bounces reported, everything else dropped without a word.

Two ways in: our own LMTP server (engine/lmtp.py), and a mailbox that is read by IMAP (engine/imap.py). Both may give
the same mail twice: an answer is remembered by its Message-ID, and its reply is a row of the outbox with a derived id.

Anybody may write to us in anybody's name. A mail counts when its sender is the person whose message it answers, which
our signed token in its addresses shows; or, for less, when our mail server says that it is from whom it claims.
"""

import asyncio
import hmac
import logging
from collections import defaultdict, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from contacts.addresses import ChannelKind
from contacts.directory import Contact, Directory
from engine.briefing import name_of
from engine.clock import Clock
from engine.compose import NOTICE_PRIORITY, digest, reader_of
from engine.monitor_mail import MailMonitors, MonitorDesk
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
from notifications.email_words import answer_the_message_itself, doubted, not_your_message
from notifications.wording import (
    address_is_proven,
    mail_answer,
    message_code,
    not_understood_by_mail,
    nothing_to_answer,
    other_address_is_proven,
)
from storage import outbox
from storage.database import Database, Tx
from storage.outbox import OutboxRow

if TYPE_CHECKING:
    from notifications.email_inbound import MailBounce, MailReply

log = logging.getLogger("tocsin.mail")

MOST_REPLIES, MOST_UNCLEAR = 10, 3
"""How often in an hour a person is answered, and of that told that their mail had no effect: two machines that answer
each other must not go on for ever, and whoever forges mails must not fill a mailbox with our replies."""
WITHIN = timedelta(hours=1)
_AT_ONCE = 2
"""Threads of its own: a mail that takes long holds up other mails, and nobody else's reading."""


class Proof(Enum):
    """What shows that a mail is from whom it claims."""

    TOKEN = "token"
    """It answers a message that went to its sender: they may say anything about it."""
    SERVER = "server"
    """Our mail server says so: enough to take charge, escalate or pass, not for money, an answer or the end."""
    NOTHING = "nothing"


_ONLY_BY_TOKEN = frozenset({"yes", "no", "call", "resolve"})


class Desk(MonitorDesk, Protocol):
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

    async def incidents_of(self, row: OutboxRow) -> list[str]: ...

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
        self._replies = Replies(engine.clock)
        self._readers = ThreadPoolExecutor(_AT_ONCE, "mail")
        self._monitors = MailMonitors(engine, self._readers)

    async def start(self) -> None:
        """Never raises: an engine without its mailbox still pages, and its operators are told."""
        account = self._account
        waiting = [each.name for each in self._engine.book.plan.integrations if each.kind == "email"]
        if waiting and (account is None or not account.hears):
            await self._cannot_hear(f"{', '.join(waiting)} waits for mail, but no mail account is set that hears any")
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
        self._readers.shutdown(wait=False, cancel_futures=True)

    async def _cannot_hear(self, because: str) -> None:
        """Answers do not arrive by mail; the operators hear it once a day."""
        log.error("mail cannot be taken error=%s", because)
        today = f"{self._engine.clock.now():%Y%m%d}"
        await self._engine.page_operators(f"mail-in-{today}", f"answers and bounces by mail do not arrive: {because}")

    async def take(self, content: bytes, recipients: Sequence[str] = (), sender: str | None = None) -> None:
        """One mail, with its envelope where that is known. Raises when it could not be kept: it must be given again."""
        if self._account is None or await self._monitors.take(self._account, content, recipients, sender):
            return
        from notifications.email_inbound import MailBounce, MailReply  # noqa: PLC0415 - with its SMTP library

        found = await self._read(self._account, content, recipients, sender)
        match found:
            case MailBounce():
                row = await self._row(found.tokens)
                if row is not None:
                    await self._engine.receipts.report(found.of(row.message_id, row.provider_id or ""))
            case MailReply():
                await self._hear(found, await self._row(found.tokens))

    async def _read(
        self, account: EmailAccount, content: bytes, recipients: Sequence[str], sender: str | None
    ) -> "MailReply | MailBounce | None":
        """What it says; None too for a mail that cannot be read. It is dropped: given again it would be no better."""
        from notifications.email_inbound import read_mail  # noqa: PLC0415 - as above

        def work() -> "MailReply | MailBounce | None":
            try:
                return read_mail(content, account.from_address, recipients, sender, account.trusted_results)
            except Exception as error:  # noqa: BLE001 - a stranger made it, perhaps to break the library that reads it
                log.warning("mail dropped: it cannot be read error=%s", type(error).__name__)
                return None

        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def _row(self, tokens: Sequence[MailToken]) -> OutboxRow | None:
        """The first message of ours that one of these tokens was made for."""
        return await self._engine.database.read(lambda tx: self._signed(tx, tokens)) if tokens else None

    def _signed(self, tx: Tx, tokens: Sequence[MailToken]) -> OutboxRow | None:
        for token in tokens:
            for row in outbox.coded(tx, token.incident, ChannelKind.EMAIL.value, token.code):
                if hmac.compare_digest(self._sign(row.message_id), token.signature):
                    return row
        return None

    async def _hear(self, mail: "MailReply", row: OutboxRow | None) -> None:
        """Who has written, and what that is worth. Strangers who answer nothing of ours are told nothing."""
        sender = mail.answer.sender or ""
        known = self._contact_at(sender)
        owner = None if row is None else self._engine.directory.contact(row.contact)
        if owner is not None and mail.forged:
            log.warning("mail without effect: the mail server doubts its sender")
            await self._letters(mail, owner, row, Proof.NOTHING).refuse(doubted(reader_of(owner)))
        elif mail.forged or (known is None and owner is None):
            log.info("mail dropped: neither its address nor its sender is known")
        elif owner is not None and known is None:
            # Everybody in Cc has the token. Only this one mail is answered, and without a token of that incident.
            log.warning("mail without effect: its sender is not the person whose message it answers")
            await self._letters(mail, owner, row, Proof.NOTHING, to=sender).refuse(not_your_message(reader_of(owner)))
        elif known is not None:
            theirs = owner is not None and owner.id == known.id
            proof = Proof.TOKEN if theirs else Proof.SERVER if mail.vouched else Proof.NOTHING
            await self._letters(mail, known, row, proof).answer()

    def _letters(
        self, mail: "MailReply", contact: Contact, row: OutboxRow | None, proof: Proof, to: str | None = None
    ) -> "_Correspondence":
        return _Correspondence(self._engine, mail, contact, row, proof, self._replies, to)

    def _contact_at(self, sender: str) -> Contact | None:
        return next((each for each in self._engine.directory.contacts if address_of(each, sender) is not None), None)


def address_of(contact: Contact, sender: str) -> str | None:
    """This mail address as contacts.yaml writes it, if it is one of the contact's. Case says nothing in an address."""
    addresses = [channel.to for channel in contact.channels if ChannelKind(channel.kind) is ChannelKind.EMAIL]
    return next((each for each in addresses if each.casefold() == sender.casefold()), None)


class Replies:
    """How much we have written to whom in the last hour, of each kind of reply."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: defaultdict[tuple[str, str], deque[datetime]] = defaultdict(deque)

    def may(self, contact: str, kind: str, most: int) -> bool:
        """Whether one more may go, which then counts."""
        now, told = self._clock.now(), self._told[contact, kind]
        while told and told[0] <= now - WITHIN:
            told.popleft()
        if len(told) >= most:
            return False
        told.append(now)
        return True


class _Correspondence:
    """One mail of one person: what it asks for is done, and the person is told the truth about it."""

    def __init__(
        self,
        engine: Desk,
        mail: "MailReply",
        contact: Contact,
        row: OutboxRow | None,
        proof: Proof,
        replies: Replies,
        to: str | None,
    ) -> None:
        """`to`: an address that is told, though it is nobody's in contacts.yaml."""
        self._engine = engine
        self._mail = mail
        self._contact = contact
        self._row = row
        self._proof = proof
        self._replies = replies
        self._stranger = to

    async def answer(self) -> None:
        said, row = self._mail.answer, self._row
        reader = reader_of(self._contact)
        if self._proof is Proof.NOTHING:
            return await self.refuse(answer_the_message_itself(reader))
        if self._engine.numbers.is_code(self._mail.words):
            return await self._prove(self._mail.words)
        incident = said.incident or (None if row is None else row.incident_id)
        if incident is None:
            return await self.refuse(answer_the_message_itself(reader))
        if parse_incident_id(incident) is None:
            return await self._tell(nothing_to_answer(reader), incident, MOST_UNCLEAR, "unclear")
        if said.verb in ("unknown", "repeat", "stop", "start"):
            asked = row is not None and (row.escalation or "").startswith("question-")
            return await self._tell(not_understood_by_mail(reader, asked=asked), incident, MOST_UNCLEAR, "unclear")
        if said.verb in _ONLY_BY_TOKEN and not await self._is_about(incident):
            return await self.refuse(answer_the_message_itself(reader))
        return await self._carry_out(incident)

    async def _is_about(self, incident: str) -> bool:
        """Whether the mail answers a message to this person about this incident, and not merely one of ours."""
        if self._proof is not Proof.TOKEN or self._row is None:
            return False
        return incident in await self._engine.incidents_of(self._row)

    async def _carry_out(self, incident: str) -> None:
        row = self._row if self._proof is Proof.TOKEN else None
        about_it = row is not None and row.kind == "page" and row.incident_id == incident
        answer = self._mail.to(row.message_id if about_it and row is not None else None)
        try:
            sentence = await self._engine.answer(answer, self._contact, incident, "email")
        except (CommandRefused, UnknownIncident) as error:
            sentence = str(error)
        await self._tell(sentence, incident)

    async def _prove(self, code: str) -> None:
        """They write back the code that shows that we reach them."""
        about = TRIAL if self._row is None else self._row.incident_id
        try:
            channel, address, owner = await self._engine.verification.confirm(code, self._contact.id)
        except CommandRefused as error:
            return await self._tell(str(error), about, MOST_UNCLEAR, "unclear")
        reader = reader_of(self._contact)
        if (channel, address) == (ChannelKind.EMAIL, self._address):
            return await self._tell(address_is_proven(reader), about)
        whose = name_of(owner, self._engine.directory)
        return await self._tell(other_address_is_proven(reader, whose, channel, address), about)

    async def refuse(self, sentence: str) -> None:
        """Nothing is done. The reply carries no token of an incident: it may go to somebody who was left out of it.

        It has an allowance of its own, or whoever forges mails could use up what the person is told of their own.
        """
        await self._tell(sentence, TRIAL, MOST_UNCLEAR, "refused")

    @property
    def _address(self) -> str:
        """Where they are told: where they wrote from, if that is theirs; else where our message went."""
        if self._stranger is not None:
            return self._stranger
        theirs = None if self._mail.forged else address_of(self._contact, self._mail.answer.sender or "")
        return theirs or (self._row.address if self._row is not None else "")

    async def _tell(self, sentence: str, incident: str, most: int = MOST_REPLIES, kind: str = "told") -> None:
        """The same mail a second time adds nothing."""
        if not self._replies.may(self._contact.id, kind, most):
            log.warning("mail not answered: there were enough replies this hour contact=%s", self._contact.id)
            return
        row = self._reply(sentence, incident)
        await self._engine.database.write(lambda tx: outbox.insert(tx, [row]))
        self._engine.pager.nudge()

    def _reply(self, sentence: str, incident: str) -> OutboxRow:
        """A reply in the thread."""
        mail, stamp = self._mail, self._engine.clock.now().timestamp()
        message_id = f"{self._engine.epoch}.{incident}.mail-{digest(mail.answer.event_id or '')[:16]}"
        drill = self._row is not None and self._row.drill
        thread = mail.references if mail.header_id is None else (*mail.references, mail.header_id)
        return OutboxRow(
            message_id=message_id,
            incident_id=incident,
            escalation=None,
            kind="notice",
            channel=ChannelKind.EMAIL.value,
            # A stranger's reply is nobody's: its token must not speak for the person whose message they answered.
            contact=self._contact.id if self._stranger is None else "",
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
