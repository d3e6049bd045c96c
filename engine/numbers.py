"""Numbers and other addresses: STOP takes one out, START puts it back, a code proves that it reaches its owner."""

import contextlib
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from contacts.directory import Contact
from engine.book import PlanBook
from engine.clock import Clock, from_stamp
from engine.door import Change, Door
from incidents import commands as c
from incidents.errors import CommandRefused, UnknownIncident
from incidents.events import PageFailure
from storage import log, numbers, outbox
from storage.database import Database, Tx

CODE_IS_GOOD_FOR = timedelta(days=3)
_CODE = re.compile(r"\d(?:[\s.,-]*\d){5}", re.ASCII)
"""Six digits as people write them: `123456`, `123 456`, `1 2 3 4 5 6`."""


class Numbers:
    """What is known of addresses, in the database and in the book's surroundings alike."""

    def __init__(
        self, database: Database, door: Door, book: PlanBook, clock: Clock, publish: Callable[[Change], None]
    ) -> None:
        self._database = database
        self._door = door
        self._book = book
        self._clock = clock
        self._publish = publish

    def load(self) -> None:
        """At start: what an earlier process knew."""
        out = self._database.read_now(numbers.out)
        proofs = {key: from_stamp(at) for key, at in self._database.read_now(numbers.proven).items()}
        self._book.surround(replace(self._book.live, out=frozenset(out), proofs=proofs))

    async def take_out(self, address: str, because: str, *, by_owner: bool = True) -> bool:
        """Nothing goes there any more, not even what is waiting. False when it was out.

        With `by_owner` whoever was called there is passed over at once; else they are called at their other addresses.
        """
        if address in self._book.live.out:
            return False
        now = self._clock.now()

        def work(tx: Tx) -> list[Change]:
            # Read here, not before: another address may have been taken out in the same commit.
            self._is_out(address, out=True)
            numbers.take_out(tx, address, because, now.timestamp())
            changes = []
            if by_owner:
                changes = [change for each in log.open_ids(tx) for change in self._pass_over(tx, each, address, now)]
            changes.extend(self._withhold(tx, address, because, now))
            _look_again(tx, now)
            return changes

        try:
            changes = await self._database.write(work)
        except BaseException:
            self._is_out(address, out=False)
            raise
        for change in changes:
            self._publish(change)
        return True

    async def put_back(self, address: str) -> bool:
        """Pages go there again. False when it was not out."""
        now = self._clock.now()

        def work(tx: Tx) -> bool:
            was_out = numbers.put_back(tx, address)
            _look_again(tx, now)
            return was_out

        was_out = await self._database.write(work)
        self._is_out(address, out=False)
        return was_out

    def _is_out(self, address: str, *, out: bool) -> None:
        live = self._book.live
        self._book.surround(replace(live, out=live.out | {address} if out else live.out - {address}))

    def out(self) -> list[tuple[str, Contact | None, datetime, str]]:
        """(address, whose, since when, because) of everything that is out."""
        known = self._database.read_now(numbers.out)
        return [
            (address, self._book.directory.owner_of(address), from_stamp(since), because)
            for address, (since, because) in known.items()
        ]

    # --- proofs ---

    def is_code(self, text: str) -> bool:
        """Whether this looks like a code that we send to an address."""
        return _CODE.fullmatch(text.strip()) is not None

    async def prove(self, code: str) -> tuple[str, str, str]:
        """(channel, address, contact) that this code proves. Raises CommandRefused for a code that proves nothing."""
        now = self._clock.now()
        since = (now - CODE_IS_GOOD_FOR).timestamp()
        digits = "".join(each for each in code if each.isdigit())
        found = await self._database.write(lambda tx: numbers.prove(tx, digits, since, now.timestamp()))
        if found is None:
            raise CommandRefused(f"{code.strip()!r} is no code of the last three days; ask for a new one.")
        channel, address, contact = found
        live = self._book.live
        self._book.surround(replace(live, proofs={**live.proofs, (channel, address): now}))
        return channel, address, contact

    def _pass_over(self, tx: Tx, incident_id: str, address: str, now: datetime) -> list[Change]:
        """Whoever was called at this address in one incident passes, in every calling that still wants them."""
        try:
            incident = self._door.load(tx, incident_id)
        except UnknownIncident:
            return []
        paged = {row.message_id for row in outbox.of_incident(tx, incident_id) if row.address == address}
        changes = []
        for escalation in incident.live_escalations:
            mine = dict.fromkeys(incident.pages[page].contact for page in escalation.pages if page in paged)
            for contact in mine:
                command = c.Pass(contact, escalates=True, escalation=escalation.id)
                changes.append(self._door.apply(tx, incident_id, command, now))
        return changes

    def _withhold(self, tx: Tx, address: str, because: str, now: datetime) -> list[Change]:
        """Pages that wait for this address have failed, so that their ladders go on."""
        changes = []
        for row in outbox.withhold(tx, address, because, now.timestamp()):
            command = c.RecordFailed(row.message_id, PageFailure.REFUSED, because, f"provider:{row.channel}")
            with contextlib.suppress(UnknownIncident):
                changes.append(self._door.apply(tx, row.incident_id, command, now))
        return changes


def _look_again(tx: Tx, now: datetime) -> None:
    """Due times of open incidents are a cache: whom one can reach has changed."""
    for incident_id in log.open_ids(tx):
        log.set_next_due(tx, incident_id, now.timestamp())
