"""Verification: a code is sent to an address, and whoever has it there says it back. That proves that we reach them.

Codes are notices: nothing waits for them, and no page waits behind them. Drills have nothing to do with them.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from contacts.addresses import ChannelKind
from contacts.directory import Contact
from contacts.standing import Address, Standing, addresses
from engine.book import PlanBook
from engine.clock import Clock, random_digits
from engine.compose import NOTICE_PRIORITY, digest, reader_of
from engine.numbers import Numbers
from incidents.errors import CommandRefused
from notifications.wording import message_code, notice_text, verification_spoken, verification_text
from storage import numbers, outbox
from storage.database import Database, Tx
from storage.outbox import OutboxRow

VERIFY = "VERIFY"
"""Stands where an incident's id stands in other messages."""
NOT_AGAIN_FOR = timedelta(minutes=10)
"""One address is sent no second code within this."""
WRONG_CODES, WITHIN = 5, timedelta(minutes=10)
"""So many wrong codes of one sender within this, and nothing more is taken from them until it is over."""
DIGITS = 6


class Fate(StrEnum):
    """What became of one address that was to be verified."""

    SENT = "sent"
    OUT = "out"
    JUST_SENT = "just-sent"
    NOT_SET_UP = "not-set-up"


@dataclass(frozen=True, slots=True)
class Asked:
    """One address, and whether a code is on its way there. `message_id` only of those that are."""

    address: Address
    fate: Fate
    message_id: str | None = None


class Verification:
    def __init__(
        self,
        database: Database,
        book: PlanBook,
        clock: Clock,
        known: Numbers,
        epoch: int,
        carriers: Collection[tuple[ChannelKind, str]],
        nudge: Callable[[], None],
    ) -> None:
        """`carriers`: the kinds of channel that this installation has, each with its provider.
        `nudge` tells the pager that there is something to send."""
        self._database = database
        self._book = book
        self._clock = clock
        self._numbers = known
        self._epoch = epoch
        self._carriers = carriers
        self._nudge = nudge
        self._wrong: defaultdict[str, deque[datetime]] = defaultdict(deque)

    def chosen(
        self,
        contacts: Sequence[Contact] = (),
        kind: ChannelKind | None = None,
        *,
        everything: bool = False,
        expired: bool = False,
    ) -> list[Address]:
        """Which addresses to verify: those unproven or soon to be; `expired`: only those whose proof has ended;
        `everything`: proven ones too. The console only where `kind` asks for it."""
        today = self._clock.now().date()
        wanted = {each.id for each in contacts}
        found = []
        for each in addresses(self._book.directory, today):
            if (wanted and each.contact.id not in wanted) or kind not in (None, each.kind):
                continue
            if each.kind is ChannelKind.CONSOLE and kind is None:
                continue
            on_the_console = each.standing is Standing.NEEDS_NONE and not expired
            due = each.standing is Standing.EXPIRED if expired else each.wants_proof(today)
            if everything or due or on_the_console or each.standing is Standing.OUT:
                found.append(each)
        return found

    async def send(self, chosen: Sequence[Address]) -> list[Asked]:
        """Send each of them a code; an earlier one is void. Not to one that is out, nor again within ten minutes."""
        now = self._clock.now()
        asked = await self._database.write(lambda tx: self._ask(tx, chosen, now))
        self._nudge()
        return asked

    def _ask(self, tx: Tx, chosen: Sequence[Address], now: datetime) -> list[Asked]:
        since = (now - NOT_AGAIN_FOR).timestamp()
        recent = {key for key, at in numbers.asked(tx).items() if at > since}
        asked: list[Asked] = []
        rows: list[OutboxRow] = []
        for each in chosen:
            key = (each.channel.kind, each.channel.to)
            if each.standing is Standing.OUT:
                asked.append(Asked(each, Fate.OUT))
            elif (each.kind, self._provider(each)) not in self._carriers:
                asked.append(Asked(each, Fate.NOT_SET_UP))
            elif key in recent:
                asked.append(Asked(each, Fate.JUST_SENT))
            else:
                recent.add(key)
                code = _fresh_code(tx)
                numbers.ask_for_proof(tx, *key, each.contact.id, code, now.timestamp())
                rows.append(_row(self._epoch, each, self._provider(each), code, now))
                asked.append(Asked(each, Fate.SENT, rows[-1].message_id))
        outbox.insert(tx, rows)
        return asked

    def _provider(self, address: Address) -> str:
        return self._book.directory.providers_of(address.kind)[0]

    async def confirm(self, code: str, sender: str) -> tuple[str, str, str]:
        """(channel, address, contact) that this code proves. `sender` is where it came from: a number, or `api`.

        Raises CommandRefused for a code that proves nothing, and for any code after five wrong ones in ten minutes.
        """
        now = self._clock.now()
        wrong = self._wrong[sender]
        while wrong and wrong[0] <= now - WITHIN:
            wrong.popleft()
        if len(wrong) >= WRONG_CODES:
            raise CommandRefused(
                f"{WRONG_CODES} codes were wrong; no more are taken until {wrong[0] + WITHIN:%H:%M} UTC."
            )
        try:
            proven = await self._numbers.prove(code)
        except CommandRefused:
            wrong.append(now)
            raise
        del self._wrong[sender]
        return proven

    async def confirm_call(self, row: OutboxRow) -> bool:
        """The right key was pressed in this call: its address is proven. False when its code is used, void or old."""
        code = self._database.read_now(lambda tx: numbers.code_of(tx, row.channel, row.address))
        if code is None or ", ".join(code) not in row.text:
            return False
        try:
            await self._numbers.prove(code)
        except CommandRefused:
            return False
        return True


def _fresh_code(tx: Tx) -> str:
    """One that no other address has just now."""
    while True:
        code = random_digits(DIGITS)
        if not numbers.is_on_its_way(tx, code):
            return code


def _row(epoch: int, address: Address, provider: str, code: str, now: datetime) -> OutboxRow:
    contact, kind, to = address.contact, address.kind, address.channel.to
    message_id = f"{epoch}.{VERIFY}.{contact.id}.{kind}-{digest(to)[:8]}.{int(now.timestamp() * 1000)}"
    words = verification_spoken if kind is ChannelKind.VOICE else verification_text
    sentence = words(code, reader_of(contact))
    stamp = now.timestamp()
    return OutboxRow(
        message_id=message_id,
        incident_id=VERIFY,
        escalation=None,
        kind="notice",
        channel=kind,
        contact=contact.id,
        address=to,
        language=contact.speaks,
        text=notice_text(kind, sentence, message_id=message_id, language=contact.speaks),
        code=message_code(message_id),
        drill=False,
        priority=NOTICE_PRIORITY,
        due_at=stamp,
        created_at=stamp,
        updated_at=stamp,
        provider=provider,
    )
