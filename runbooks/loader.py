"""Reads a plan's folder: plan.yaml, contacts.yaml, runbooks/*.yaml and, where they are, thresholds.yaml and
listening.yaml. The only module that opens a plan's files."""

import json
import os
import stat
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from contacts.directory import Directory
from incidents.errors import PlanInvalid
from runbooks.checks import check
from runbooks.documents import Document, read_document
from runbooks.places import Finding, ModelPath, Place, Problem, Weight
from runbooks.plan import Plan, PlanFile, Runbook
from runbooks.smells import smells
from runbooks.wording import explain, nearest
from signals.listening import Listening
from signals.thresholds import ThresholdsFile

FILE_LIMIT = 1_000_000
"""Bytes a file may have. The longest plan that we know has a twentieth of it."""
LIBRARY = Path(__file__).parent / "library"
"""The plan that ships with Tocsin: its runbooks can be named under `library`, and all of it is the starter plan."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class LoadedPlan:
    """A plan that can be used, its directory, and what its author ought to know: `file:line:column: sentence` each."""

    plan: Plan
    directory: Directory
    warnings: tuple[str, ...] = ()


def load_plan(folder: Path, now: datetime | None = None) -> LoadedPlan:
    """The plan in `folder`. Reads only; a second call reads again. With `now`, what smells at that moment is among the
    warnings.

    Raises PlanInvalid with every problem found, one line each, in the order of the files. What points from one place to
    another is looked at once every file reads well. Files are UTF-8, at most 1 MB; links must stay inside the folder.
    """
    reading = _Reading(folder)
    plan_file = reading.page(folder / "plan.yaml", PlanFile)
    contacts = reading.page(folder / "contacts.yaml", Directory)
    thresholds = reading.page_if_any(folder / "thresholds.yaml", ThresholdsFile)
    listening = reading.page_if_any(folder / "listening.yaml", Listening)
    runbooks = reading.own_runbooks()
    if plan_file is not None:
        runbooks += reading.library_runbooks(plan_file, runbooks)
        if not runbooks and not reading.problems:
            reading.refuse(
                folder / "plan.yaml", "There is no runbook: put one in runbooks/ or name one under 'library'."
            )
    if reading.problems or plan_file is None or contacts is None:
        raise _invalid(reading.problems)
    runbooks.sort(key=lambda page: page.model.id)
    said = {name: getattr(plan_file.model, name) for name in PlanFile.model_fields if name != "library"}
    plan = Plan(
        **said,
        runbooks=tuple(page.model for page in runbooks),
        thresholds=None if thresholds is None else thresholds.model,
        listening=None if listening is None else listening.model,
    )
    places = _Places(
        plan_file.document,
        contacts.document,
        tuple(page.document for page in runbooks),
        None if thresholds is None else thresholds.document,
        None if listening is None else listening.document,
    )
    return _checked(plan, contacts.model, places, now)


@dataclass(frozen=True, slots=True)
class _Page(Generic[Model]):
    """A file that reads well: what it says and where it says it."""

    model: Model
    document: Document


@dataclass(frozen=True, slots=True)
class _Places:
    plan: Document
    contacts: Document
    runbooks: tuple[Document, ...]
    thresholds: Document | None
    listening: Document | None

    def problem(self, finding: Finding) -> Problem:
        document, path = self._in_file(finding.path)
        if finding.offset is not None:
            return Problem(document.inside(path, finding.offset), finding.sentence)
        return Problem(document.spot(path).name, finding.sentence)

    def _in_file(self, path: ModelPath) -> tuple[Document, ModelPath]:
        """The file in which a value stands, and the way to it there."""
        match path:
            case ("runbooks", int(index), *rest):
                return self.runbooks[index], tuple(rest)
            case ("contacts" | "roles" | "areas" | "teams" | "schedules" | "paging" | "providers", *_):
                return self.contacts, path
            case ("thresholds", *rest) if self.thresholds is not None:
                return self.thresholds, tuple(rest)
            case ("listening", *rest) if self.listening is not None:
                return self.listening, tuple(rest)
        return self.plan, path


@dataclass(slots=True)
class _Reading:
    """One reading of a folder and the problems found in it."""

    folder: Path
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, path: Path, sentence: str) -> None:
        self.problems.append(Problem(Place(str(path), 1, 1), sentence))

    def page(self, path: Path, model: type[Model], within: Path | None = None) -> _Page[Model] | None:
        text = _text_of(path, within or self.folder)
        if isinstance(text, Problem):
            self.problems.append(text)
            return None
        document = read_document(str(path), text)
        self.problems += document.problems
        if not document.sound:
            return None
        try:
            # Strict JSON is exactly YAML's kinds: no text for numbers or the reverse, lists for tuples, text for enums.
            return _Page(model.model_validate_json(json.dumps(document.tree), strict=True), document)
        except ValidationError as error:
            self.problems += explain(model, document, error.errors(include_url=False))
            return None

    def page_if_any(self, path: Path, model: type[Model]) -> _Page[Model] | None:
        """The same of a file that need not be there."""
        other = path.with_suffix(".yml")
        if os.path.lexists(other):
            self.refuse(other, f"This is read from {path.name}: rename it.")
        return self.page(path, model) if os.path.lexists(path) else None

    def own_runbooks(self) -> list[_Page[Runbook]]:
        shelf = self.folder / "runbooks"
        try:
            paths = sorted(path for path in shelf.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            self.refuse(shelf, f"This cannot be read as a folder of runbooks: {error.strerror}.")
            return []
        for path in paths:
            if path.suffix == ".yml":
                self.refuse(path, f"Runbooks are read from .yaml files: rename it to {path.stem}.yaml.")
        pages = [self.page(path, Runbook) for path in paths if path.suffix == ".yaml"]
        return [page for page in pages if page is not None]

    def library_runbooks(self, plan_file: _Page[PlanFile], own: list[_Page[Runbook]]) -> list[_Page[Runbook]]:
        pages = []
        taken = {page.model.id for page in own}
        for index, runbook_id in enumerate(plan_file.model.library):
            place = plan_file.document.spot(("library", index)).value
            path = LIBRARY / "runbooks" / f"{runbook_id}.yaml"
            if runbook_id in taken:
                sentence = f"The runbook {runbook_id!r} is there already; name it once, here or in runbooks/."
                self.problems.append(Problem(place, sentence))
            elif not path.is_file():
                self.problems.append(Problem(place, _not_in_library(runbook_id)))
            else:
                pages.append(self.page(path, Runbook, within=LIBRARY))
            taken.add(runbook_id)
        return [page for page in pages if page is not None]


def _checked(plan: Plan, directory: Directory, places: _Places, now: datetime | None) -> LoadedPlan:
    findings = check(plan, directory)
    errors = [places.problem(finding) for finding in findings if finding.weight is Weight.ERROR]
    if errors:
        raise _invalid(errors)
    if now is not None:
        findings = [*findings, *smells(plan, directory, now)]
    return LoadedPlan(plan, directory, tuple(str(places.problem(finding)) for finding in findings))


def _invalid(problems: list[Problem]) -> PlanInvalid:
    return PlanInvalid([str(problem) for problem in dict.fromkeys(problems)])


def _not_in_library(runbook_id: str) -> str:
    known = tuple(sorted(path.stem for path in (LIBRARY / "runbooks").glob("*.yaml")))
    meant = nearest(runbook_id, known)
    hint = f"did you mean {meant!r}?" if meant is not None else f"it has {', '.join(known)}."
    return f"{runbook_id!r} is not in the library; {hint}"


def _text_of(path: Path, folder: Path) -> str | Problem:
    """The file's text, or why it cannot be had."""

    def refused(sentence: str, line: int = 1, column: int = 1) -> Problem:
        return Problem(Place(str(path), line, column), sentence)

    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(folder.resolve(strict=True)):
            return refused(f"This is a link that leads out of {folder}; put the file itself here.")
        if not stat.S_ISREG(real.stat().st_mode):
            return refused("This is not a file that can be read.")
        with real.open("rb") as file:
            content = file.read(FILE_LIMIT + 1)
    except FileNotFoundError:
        return refused("There is no such file; `tocsin init DIR` writes a plan to start from.")
    except (OSError, RuntimeError) as error:  # RuntimeError: pathlib's word for links that go round in a circle
        return refused(f"This cannot be read: {getattr(error, 'strerror', None) or error}.")
    if len(content) > FILE_LIMIT:
        return refused("This is larger than 1 MB, which no plan needs.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return refused("This is not UTF-8 text from here on; save the file as UTF-8.", line, column)
