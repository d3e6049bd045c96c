"""The real door and intake on a database in memory: for tests that take thousands of steps."""

import functools
import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from contacts.directory import Directory
from engine.book import PlanBook
from engine.compose import Composer
from engine.door import Change, Door
from engine.intake import Heard, Intake
from engine.links import Links
from incidents import commands as c
from incidents.events import Event
from incidents.evolve import fold
from incidents.severity import Severity
from incidents.state import Incident
from runbooks.moves import Move
from runbooks.plan import Plan
from signals.signal import Action, Signal
from storage import log, outbox
from storage.database import SqliteTx, Tx
from storage.outbox import OutboxRow
from storage.plans import store_plan
from storage.schema import metadata

T = TypeVar("T")
RECEIPTS = frozenset({"sms", "voice"})


@functools.cache
def _schema() -> str:
    dialect = sqlite.dialect()
    statements = [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables]
    statements += [
        str(CreateIndex(index).compile(dialect=dialect)) for table in metadata.sorted_tables for index in table.indexes
    ]
    return ";\n".join(statements)


class Memory:
    """One engine's worth of state. `do` is one transaction: what fails leaves nothing behind."""

    def __init__(self, plan: Plan, people: Directory, now: datetime) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.executescript(_schema())
        self._tx = SqliteTx(self._connection)
        self.driven = False
        self.book = PlanBook()
        composer = Composer(1, Links("a secret for tests", None), two_way=RECEIPTS, receipts=RECEIPTS)
        self.door = Door(composer, self.book, lambda _: self.driven)
        self.intake = Intake(self.door, self.book)
        self.book.activate(self.do(lambda tx: store_plan(tx, plan, now.timestamp())), plan, people)

    def do(self, work: Callable[[Tx], T]) -> T:
        self._connection.execute("BEGIN")
        try:
            result = work(self._tx)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return result

    def declare(
        self, now: datetime, *, severity: Severity = Severity.SEV1, drill: bool = False, by: str = "person:ana"
    ) -> Change:
        def make(new_id: str) -> c.Declare:
            return c.Declare(new_id, "Shop down", severity, "SHOP_DOWN", self.book.version, by, drill)

        return self.do(lambda tx: self.door.declare(tx, now, make))

    def apply(self, command: c.Command, now: datetime, incident: str = "INC-1") -> Change:
        return self.do(lambda tx: self.door.apply(tx, incident, command, now))

    def perform(self, now: datetime, *, by: str = "engine", key: str | None = None, incident: str = "INC-1") -> Change:
        return self.do(lambda tx: self.door.perform_due(tx, incident, by, now, key))

    def hears(self, action: Action, name: str, now: datetime, word: str | None = None) -> Heard:
        signal = Signal(action, name, f"{name} fires", "monitor", word, {"alertname": name})
        return self.do(lambda tx: self.intake.hear(tx, self.book.plan.integrations[0], [signal], now))[0]

    def due(self, now: datetime, incident: str = "INC-1") -> tuple[Move, ...]:
        return self.do(lambda tx: self.door.due(tx, incident, now))[1].due

    def state(self, incident: str = "INC-1") -> Incident:
        return self.do(lambda tx: self.door.load(tx, incident))

    def events(self, incident: str = "INC-1") -> list[Event]:
        return self.do(lambda tx: log.load_events(tx, incident))

    def folded(self, incident: str = "INC-1") -> Incident | None:
        return fold(self.events(incident))

    def rows(self, incident: str = "INC-1") -> list[OutboxRow]:
        return self.do(lambda tx: outbox.of_incident(tx, incident))

    def claim(self, message_id: str, now: datetime) -> list[OutboxRow]:
        stamp = now.timestamp()
        return self.do(lambda tx: outbox.claim(tx, [message_id], "network", stamp + 30, stamp))
