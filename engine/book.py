"""The plans in use: the active one, the ones that open incidents have pinned, and the directory as it is now."""

from contacts.directory import Directory, Live
from incidents.errors import PlanInvalid
from runbooks.plan import Plan
from signals.rules import Thresholds
from signals.thresholds import compiled
from storage.database import Tx
from storage.plans import load_plan


class PlanBook:
    """`activate` swaps plan and directory at once; a pinned plan stays what it was when its incident was declared."""

    def __init__(self) -> None:
        self._plans: dict[str, Plan] = {}
        self._active: tuple[str, Plan, Directory] | None = None
        self._live = Live()
        self._thresholds: Thresholds | None = None

    def activate(self, version: str, plan: Plan, directory: Directory) -> None:
        self._plans[version] = plan
        self._active = (version, plan, directory.with_live(self._live))
        self._thresholds = None if plan.thresholds is None else compiled(plan.thresholds)

    @property
    def live(self) -> Live:
        """What is known beside contacts.yaml: calendars, numbers that are out, proofs."""
        return self._live

    def surround(self, live: Live) -> None:
        """The surroundings have changed; the file has not."""
        self._live = live
        if self._active is not None:
            version, plan, directory = self._active
            self._active = (version, plan, directory.with_live(live))

    @property
    def version(self) -> str:
        return self._current()[0]

    @property
    def plan(self) -> Plan:
        return self._current()[1]

    @property
    def thresholds(self) -> Thresholds | None:
        """The rules of the active plan, ready to decide with; None when it has none."""
        return self._thresholds

    @property
    def directory(self) -> Directory:
        return self._current()[2]

    def pinned(self, tx: Tx, version: str) -> Plan:
        """The plan of this version. One that cannot be read any more gives way to the active one: paging goes on."""
        known = self._plans.get(version)
        if known is None:
            known = load_plan(tx, version)
            if known is None:
                return self.plan
            self._plans[version] = known
        return known

    def known(self, version: str) -> Plan:
        """The plan of this version where somebody has just asked for it; else the active one."""
        return self._plans.get(version, self.plan)

    def _current(self) -> tuple[str, Plan, Directory]:
        if self._active is None:
            raise PlanInvalid(["no plan is active"])
        return self._active
