"""Writes an import: contacts.yaml, ladders.yaml and, in a folder without a plan, a whole starter plan around them.

Everything is written and loaded beside the folder first, and moves into it only when it is a plan that can be used.
"""

import errno
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from contacts.addresses import ChannelKind
from contacts.directory import Contact
from incidents.errors import CommandRefused, PlanInvalid
from runbooks.loader import LIBRARY, load_plan
from runbooks.starter import write_starter
from tocsin.importers.target import Imported, can_be_woken

_PLAIN = re.compile(r"^([A-Za-z][A-Za-z0-9_/ -]*|\d+[smhd]( \d+[smhd])*|(schedule|team):[a-z0-9-]+)$")
_YAML_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_PER_LINE = 6
"""A mapping of scalars with at most so many entries stands on one line."""
_STARTER_LADDERS = ("sev1", "sev2", "sev3", "sev4")
"""Those of the starter plan whose place an imported ladder takes."""
_PLACEHOLDER = "nobody yet: a placeholder of `tocsin import`"


@dataclass(frozen=True, slots=True)
class Written:
    files: tuple[Path, ...]
    whole_plan: bool
    """Whether a starter plan was written too."""
    warnings: tuple[str, ...]
    """What `tocsin check` would say of it."""
    placeholders: tuple[str, ...]
    """What stands there so that the plan can be loaded, and has to be made right."""


def write_import(imported: Imported, folder: Path) -> Written:
    """Write the import into `folder`, which is created when it is not there. All of it, or nothing.

    Raises CommandRefused, and writes nothing, when one of the files exists already (so a second call refuses), when the
    import has no contacts, or when it would make a plan that cannot be loaded. OSError passes through.
    """
    if not imported.contacts:
        raise CommandRefused("Nothing was written: there are no users in the export.")
    whole_plan = not (folder / "plan.yaml").exists()
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".tocsin-import-", dir=folder.parent))
    try:
        placeholders = _stage(imported, staging, whole_plan=whole_plan)
        warnings = _loaded(staging) if whole_plan else ()
        if not whole_plan:
            _keep_only(staging, ("contacts.yaml", "ladders.yaml"))
        files = _move(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Written(tuple(files), whole_plan, warnings, placeholders)


def _stage(imported: Imported, staging: Path, *, whole_plan: bool) -> tuple[str, ...]:
    write_starter(staging)
    lead, deputy = _placeholders(imported.contacts)
    ladders = {name: _tree(ladder) for name, ladder in imported.ladders.items()}
    (staging / "contacts.yaml").write_text(_contacts_text(imported, lead, deputy), encoding="utf-8")
    (staging / "ladders.yaml").write_text(_ladders_text(imported, ladders), encoding="utf-8")
    found = [
        f"roles and areas in contacts.yaml: {lead.name} holds all of them"
        + (f", {deputy.name} is the deputy." if deputy is not None else "; there is no deputy."),
        f"authority in contacts.yaml: {lead.name} may decide a compensation of 0.00; say who may decide how much.",
    ]
    if not whole_plan:
        return tuple(found)
    found.append("company in plan.yaml, and the situations and runbooks: they are those of the starter plan.")
    if imported.main_ladder is not None:
        _put_ladders(staging / "plan.yaml", ladders, imported.main_ladder)
        found.append(f"severities in plan.yaml: all four page by the ladder {imported.main_ladder!r}.")
    return tuple(found)


def _placeholders(contacts: Iterable[Contact]) -> tuple[Contact, Contact | None]:
    """Who holds the roles until somebody says who does: those who are easiest to wake."""
    ranked = sorted(contacts, key=_hard_to_wake)
    return ranked[0], ranked[1] if len(ranked) > 1 else None


def _hard_to_wake(contact: Contact) -> int:
    kinds = {ChannelKind(channel.kind) for channel in contact.channels}
    if ChannelKind.VOICE in kinds:
        return 0
    if ChannelKind.SMS in kinds:
        return 1
    return 2 if can_be_woken(contact) else 3


# What stands in the files


def _contacts_text(imported: Imported, lead: Contact, deputy: Contact | None) -> str:
    grant = {
        "may": "compensation",
        "per_customer": {"amount": 0, "currency": "EUR"},
        "total": {"amount": 0, "currency": "EUR"},
        "granted_by": _PLACEHOLDER,
    }
    people = []
    for contact in imported.contacts:
        tree = _tree(contact)
        people.append(tree | {"authority": [grant]} if contact.id == lead.id else tree)
    holders = {"responsible": lead.id} | ({"deputy": deputy.id} if deputy is not None else {})
    library = YAML(typ="safe", pure=True).load((LIBRARY / "contacts.yaml").read_text(encoding="utf-8"))
    held = {
        section: [{"id": each["id"], "title": each["title"]} | holders for each in library.get(section) or ()]
        for section in ("roles", "areas")
    }
    head = f"Imported from {imported.vendor}. The people, teams and schedules are those of the export."
    note = f"Placeholders: {lead.name} holds everything until you say who does."
    return (
        f"# yaml-language-server: $schema=schemas/contacts.schema.json\n#\n# {head}\n"
        "# Prove every address with `tocsin contacts verify`.\n\n"
        + _text({"contacts": people})
        + "\n# How people are called who have no rules of their own: that of the starter plan.\n"
        + _text({"paging": library["paging"]})
        + _section("teams", [_tree(each) for each in imported.teams])
        + _section("schedules", [_tree(each) for each in imported.schedules])
        + "".join(_section(name, entries, note) for name, entries in held.items())
    )


def _section(name: str, entries: list[Any], note: str = "") -> str:
    if not entries:
        return ""
    return (f"\n# {note}\n" if note else "\n") + _text({name: entries})


def _ladders_text(imported: Imported, ladders: Mapping[str, Any]) -> str:
    head = f"# Ladders imported from {imported.vendor}: paste them under `ladders:` of plan.yaml.\n\n"
    return head + (_text(ladders) if ladders else "# The export has none.\n")


def _put_ladders(path: Path, ladders: Mapping[str, Any], main: str) -> None:
    """Put the ladders into the starter plan, in place of those of its severities."""
    yaml = _yaml()
    plan = yaml.load(path.read_text(encoding="utf-8"))
    for name in _STARTER_LADDERS:
        plan["ladders"].pop(name, None)
    for position, (name, tree) in enumerate(ladders.items()):
        plan["ladders"].insert(position, name, _styled(tree))
    for severity in plan["severities"]:
        plan["severities"][severity] = main
    plan["company"] = "To be named"
    text = io.StringIO()
    yaml.dump(plan, text)
    path.write_text(text.getvalue(), encoding="utf-8")


def _tree(model: BaseModel) -> dict[str, Any]:
    """As it is written by hand: without what is the default anyway."""
    return model.model_dump(mode="json", exclude_defaults=True)


def _yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 118
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _text(tree: Any) -> str:
    text = io.StringIO()
    _yaml().dump(_styled(tree), text)
    return text.getvalue()


def _styled(tree: Any) -> Any:
    """The same for the writer: short mappings and lists of scalars on one line, texts in quotes where it matters."""
    match tree:
        case dict():
            made = CommentedMap((str(key), _styled(value)) for key, value in tree.items())
            if len(tree) <= _PER_LINE and not any(isinstance(each, dict | list) for each in tree.values()):
                made.fa.set_flow_style()
            return made
        case list():
            items = CommentedSeq(_styled(each) for each in tree)
            if all(isinstance(each, str | int) for each in tree):
                items.fa.set_flow_style()
            return items
        case str() if not _PLAIN.match(tree) or tree.endswith(" ") or tree.lower() in _YAML_WORDS:
            return DoubleQuotedScalarString(tree)
        case _:
            return tree


# Into the folder


def _loaded(staging: Path) -> tuple[str, ...]:
    try:
        found = load_plan(staging).warnings
    except PlanInvalid as error:
        problems = "\n".join(_relative(each, staging) for each in error.problems)
        raise CommandRefused(f"Nothing was written, for the plan could not be loaded:\n{problems}") from error
    return tuple(_relative(each, staging) for each in found)


def _relative(line: str, staging: Path) -> str:
    return line.replace(f"{staging}{os.sep}", "")


def _keep_only(staging: Path, names: tuple[str, ...]) -> None:
    for each in staging.iterdir():
        if each.is_dir():
            shutil.rmtree(each)
        elif each.name not in names:
            each.unlink()


def _move(staging: Path, folder: Path) -> list[Path]:
    """Each file under its name in the folder, none over another; taken back when one of them cannot be."""
    sources = sorted(path for path in staging.rglob("*") if path.is_file())
    targets = [folder / path.relative_to(staging) for path in sources]
    present = [str(path) for path in targets if path.exists() or path.is_symlink()]
    if present:
        raise CommandRefused(f"Nothing was written, for this would replace {', '.join(present)}.")
    moved: list[Path] = []
    made = [each for each in _folders(folder, targets) if not each.exists()]
    try:
        for each in made:
            each.mkdir()
        for source, target in zip(sources, targets, strict=True):
            _put(source, target)
            moved.append(target)
    except OSError:
        for target in moved:
            target.unlink(missing_ok=True)
        for each in reversed(made):
            with suppress(OSError):
                each.rmdir()
        raise
    return targets


def _folders(folder: Path, targets: Iterable[Path]) -> list[Path]:
    """The folders that the files stand in, the outer ones first."""
    return sorted({folder, *(target.parent for target in targets)}, key=lambda each: len(each.parts))


def _put(source: Path, target: Path) -> None:
    """Rename, and never over a file that came meanwhile."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        with target.open("xb") as file:  # a file system without links
            file.write(source.read_bytes())
