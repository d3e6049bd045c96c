"""`tocsin import`: an export of another paging tool becomes contacts, schedules and ladders."""

from collections.abc import Callable
from pathlib import Path

import click

from incidents.errors import CommandRefused
from tocsin.commands.options import json_option, print_json
from tocsin.importers import goalert, grafana_oncall, opsgenie, pagerduty
from tocsin.importers.opening import open_export
from tocsin.importers.reading import Shape, Value
from tocsin.importers.target import Imported
from tocsin.importers.writing import Written, write_import

Reader = Callable[[dict[str, list[Value]]], Imported]

VENDORS: dict[str, tuple[Shape, Reader]] = {
    "goalert": (goalert.SHAPE, goalert.imported),
    "grafana-oncall": (grafana_oncall.SHAPE, grafana_oncall.imported),
    "pagerduty": (pagerduty.SHAPE, pagerduty.imported),
    "opsgenie": (opsgenie.SHAPE, opsgenie.imported),
}


def read_export(vendor: str, export: Path) -> Imported:
    """What the export of this vendor says. Raises CommandRefused with the place of what is wrong; writes nothing."""
    shape, read = VENDORS[vendor]
    return read(open_export(export, shape))


@click.command("import")
@click.argument("vendor", type=click.Choice(list(VENDORS)))
@click.argument("export", type=click.Path(path_type=Path, exists=True), metavar="EXPORT")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder to write into."
)
@json_option
def bring_in(vendor: str, export: Path, folder: Path, as_json: bool) -> None:
    """Turn EXPORT (a JSON file, a folder or a zip of them) into contacts.yaml and ladders, and say what is left over.

    In a folder without a plan, a starter plan is written around them. Overwrites nothing. docs/import.md says how to
    make the export.
    """
    imported = read_export(vendor, export)
    try:
        written = write_import(imported, folder)
    except OSError as error:
        raise CommandRefused(f"{folder} cannot be written: {error.strerror}.") from error
    if as_json:
        print_json(_as_json(imported, written))
        return
    for line in report(imported, written, folder):
        click.echo(line)


def report(imported: Imported, written: Written, folder: Path) -> list[str]:
    """What was taken, what has no equivalent, what is different, what stands there for somebody to make right."""
    lines = [
        f"Taken from {imported.vendor}: {', '.join(f'{count} {what}' for what, count in _counts(imported).items())}."
    ]
    lines += [f"wrote {each}" for each in written.files]
    for title, entries in (
        ("No equivalent:", imported.unmatched),
        ("Different from now on:", imported.notes),
        ("Placeholders, to be made right:", written.placeholders),
    ):
        if entries:
            lines += ["", title, *(f"- {each}" for each in entries)]
    following = f"Next: tocsin check {folder}"
    if not written.whole_plan:
        following = f"Next: paste ladders.yaml under 'ladders:' of {folder / 'plan.yaml'}, then tocsin check {folder}"
    return [*lines, "", following]


def _counts(imported: Imported) -> dict[str, int]:
    return {
        "contacts": len(imported.contacts),
        "teams": len(imported.teams),
        "schedules": len(imported.schedules),
        "ladders": len(imported.ladders),
    }


def _as_json(imported: Imported, written: Written) -> dict[str, object]:
    return {
        "taken": _counts(imported),
        "files": [str(each) for each in written.files],
        "unmatched": list(imported.unmatched),
        "notes": list(imported.notes),
        "placeholders": list(written.placeholders),
        "warnings": list(written.warnings),
    }


COMMANDS: dict[str, click.Command] = {"import": bring_in}
