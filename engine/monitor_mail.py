"""Monitors that can only write mail: to our own address with the key of their integration behind a plus sign.

Their mail comes in where people's answers do, and never takes one: what answers a message of ours is an answer.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Protocol

from engine.book import PlanBook
from engine.clock import Clock
from engine.intake import Heard
from engine.remarks import Remarks
from incidents.errors import SignalRefused
from notifications.email_account import EmailAccount
from signals.integration import Integration
from signals.mapping import signals_of
from signals.monitor_mail import MailRules, MonitorMail, action_of, mail_signal
from signals.signal import Signal
from storage import plans
from storage.database import Database

log = logging.getLogger("tocsin.mail")

_LOOKED_THROUGH = 256 * 1024


class MonitorDesk(Protocol):
    """What monitors' mail needs of the engine around it."""

    book: PlanBook
    clock: Clock
    database: Database
    remarks: Remarks

    async def hear(self, integration: Integration, signals: Sequence[Signal]) -> list[Heard]: ...

    async def page_operators(self, subject: str, sentence: str) -> None: ...


class MailMonitors:
    """`take` is given each mail first."""

    def __init__(self, engine: MonitorDesk, readers: Executor) -> None:
        self._engine = engine
        self._readers = readers

    async def take(self, account: EmailAccount, content: bytes, recipients: Sequence[str], sender: str | None) -> bool:
        """Whether the mail was for an integration; what it says is durable then. The same mail again adds nothing.

        Raises Overloaded, and what the database raises: it must be given again.
        """
        known = {each.key.lower(): each for each in self._engine.book.plan.integrations if each.kind == "email"}
        looked = content[:_LOOKED_THROUGH].lower() + " ".join(recipients).lower().encode("utf-8", "replace")
        if not any(key.encode() in looked for key in known):
            return False
        found = await self._read(account, content, recipients, sender, known)
        if found is None:
            return False
        integration, mail = known[found[0]], found[1]
        rules = integration.mail or MailRules()
        if not rules.allows(mail.sender, vouched=mail.vouched):
            await self._not_allowed(integration)
        elif not await self._engine.database.read(lambda tx: plans.remembered(tx, mail.event_id)):
            await self._hear(integration, rules, mail)
        return True

    async def _read(
        self,
        account: EmailAccount,
        content: bytes,
        recipients: Sequence[str],
        sender: str | None,
        known: dict[str, Integration],
    ) -> tuple[str, MonitorMail] | None:
        from notifications.email_inbound import read_monitor_mail  # noqa: PLC0415 - with its SMTP library

        def work() -> tuple[str, MonitorMail] | None:
            try:
                return read_monitor_mail(
                    content, account.from_address, known, recipients, sender, account.trusted_results
                )
            except Exception as error:  # noqa: BLE001 - a stranger made it, perhaps to break the library that reads it
                log.warning("mail of a monitor cannot be read error=%s", type(error).__name__)
                return None

        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def _not_allowed(self, integration: Integration) -> None:
        """Its address is known to somebody whom the plan does not name, or the plan forgets a monitor."""
        log.warning("mail without effect: its sender is not allowed integration=%s", integration.name)
        today = f"{self._engine.clock.now():%Y%m%d}"
        await self._engine.page_operators(
            f"mail-{integration.name}-{today}",
            f"mail came to {integration.name} from a sender whom its plan does not allow; it had no effect.",
        )

    async def _hear(self, integration: Integration, rules: MailRules, mail: MonitorMail) -> None:
        loop = asyncio.get_running_loop()
        try:
            signals = await loop.run_in_executor(self._readers, signals_in, integration, rules, mail)
        except SignalRefused as error:
            await self._engine.remarks.refused(integration, error.problems[0], mail.raw)
            return
        heard = await self._engine.hear(integration, signals) if signals else []
        incident = next((each.incident for each in heard if each.incident), None) or ""
        stamp = self._engine.clock.now().timestamp()
        sentence = ", ".join(each.outcome for each in heard) or "ignored"
        await self._engine.database.write(
            lambda tx: (
                None
                if plans.remembered(tx, mail.event_id)
                else plans.remember(tx, mail.event_id, incident, sentence, stamp)
            )
        )


def signals_in(integration: Integration, rules: MailRules, mail: MonitorMail) -> list[Signal]:
    """What a monitor's mail says, by the integration's mapping or else by the words of its subject.

    A mapping sees `subject`, `text` and `from`. Raises SignalRefused when it finds no summary or key.
    """
    if integration.mapping is None:
        signal = mail_signal(mail, rules, integration.severity_words)
        return [] if signal is None else [signal]
    body = {"subject": mail.subject, "text": mail.text, "from": mail.sender}
    found = signals_of(integration.mapping, body, mail.raw)
    if integration.mapping.action is not None:
        return found
    action = action_of(mail, rules)
    return [] if action is None else [dataclasses.replace(each, action=action) for each in found]
