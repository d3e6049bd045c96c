"""Imports an export of this folder by the command, and asks the plan that came out of it who is on call."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from contacts.directory import Occasion
from incidents.severity import Severity
from runbooks.loader import LoadedPlan, load_plan
from tocsin.cli import cli

EXPORTS = Path(__file__).parent / "exports"


@dataclass(frozen=True)
class Brought:
    """What `tocsin import` did, and the plan in the folder."""

    result: Result
    folder: Path

    @cached_property
    def loaded(self) -> LoadedPlan:
        return load_plan(self.folder)

    def lines(self, title: str) -> list[str]:
        """The lines of the report under a title."""
        _, _, rest = self.result.output.partition(f"\n{title}\n")
        return [line.removeprefix("- ") for line in rest.split("\n\n")[0].splitlines()]

    def on_call(self, schedule: str, moment: str) -> list[str]:
        found = self.loaded.directory.resolve(f"schedule:{schedule}", Occasion(datetime.fromisoformat(moment)))
        return [contact.id for contact in found.contacts]

    def channels(self, contact_id: str) -> list[tuple[str, str]]:
        contact = self.loaded.directory.contact(contact_id)
        assert contact is not None
        return [(channel.kind, channel.to) for channel in contact.channels]

    def beats(self, contact_id: str, severity: str) -> list[tuple[tuple[str, ...], int]]:
        """(channels, minutes after the first page) of each beat."""
        contact = self.loaded.directory.contact(contact_id)
        assert contact is not None
        return [(beat.by, int(beat.after.total_seconds() // 60)) for beat in contact.paging.get(Severity(severity), ())]

    def rungs(self, ladder: str) -> list[tuple[tuple[str, ...], int]]:
        """(who is paged, minutes until the next rung) of each rung."""
        return [(rung.page, int(rung.wait.total_seconds() // 60)) for rung in self.loaded.plan.ladders[ladder].rungs]


def bring_to(folder, vendor, export, *more):
    arguments = ["import", vendor, str(EXPORTS / export), "--to", str(folder), *more]
    return Brought(CliRunner().invoke(cli, arguments), folder)


@pytest.fixture
def bring(tmp_path):
    """Types `tocsin import VENDOR EXPORT --to PLAN`."""

    def run(vendor, export, to="plan", *more):
        return bring_to(tmp_path / to, vendor, export, *more)

    return run


@pytest.fixture(scope="module")
def bring_once(tmp_path_factory):
    """The same for a whole file of tests that only look at what came out."""

    def run(vendor, export):
        return bring_to(tmp_path_factory.mktemp("imported") / "plan", vendor, export)

    return run
