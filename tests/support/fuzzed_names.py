"""Schemathesis's hooks (SCHEMATHESIS_HOOKS): a name that fits the description becomes one that the plan knows.

Without them nearly every order ends at "nobody called 0"; with them it comes as far as the engine.
Right names take the place of names that fit, never of what the description forbids: a wrong request stays wrong.
"""

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

PEOPLE = ("ana", "dora")
NAMES = {"situation": "SHOP_DOWN", "step": "look", "decision": "refund", "area": "shop", "into": "INC-2"}
PATH = {"incident_id": "INC-1", "schedule_id": "desk"}
LONGEST = 64


def fits(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST


def known(name: str, value: Any, of: MutableMapping[str, Any]) -> Any:
    """What the plan has for this field; the same value where it has nothing."""
    person = PEOPLE[len(repr(of)) % len(PEOPLE)]
    if name in ("by", "contact", "to") and fits(value):
        return person
    if name in ("contacts", "to", "implicated") and isinstance(value, list):
        return [person if fits(each) else each for each in value]
    if name == "path" and fits(value):
        # Backups go where this run may write, never beside the machine's own files.
        return str(Path(os.environ["TOCSIN_FUZZED_FOLDER"]) / f"{abs(hash(value))}.db")
    return NAMES[name] if name in NAMES and fits(value) else value


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    if any("IntegrationKey" in each for each in case.operation.definition.raw.get("security", [])):
        kind = "opsgenie" if case.path.startswith("/v2/alerts") else "alertmanager"
        case.headers["Authorization"] = f"Bearer {kind}-key-0123456789"
    for found in (case.body, case.query):
        if isinstance(found, MutableMapping):
            for name, value in list(found.items()):
                found[name] = known(name, value, found)
    for name, value in list(case.path_parameters.items()):
        if name in PATH and fits(value):
            case.path_parameters[name] = PATH[name]
