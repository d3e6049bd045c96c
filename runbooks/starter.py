"""Writes the starter plan: the library's own files, for a company to make theirs."""

import secrets
from pathlib import Path

from incidents.errors import CommandRefused
from runbooks.loader import LIBRARY
from runbooks.schemas import schema_texts

STARTER_KEYS = (
    "starter-key-alertmanager-0000001",
    "starterkeypagerduty0000000000001",
    "starter-key-signals-000000000001",
    "starter-key-chatwoot-0000000001",
    "starter-key-zendesk-00000000001",
)
"""The keys of senders in the library's plan. Each folder gets keys of its own: a key that everybody knows is none."""


def write_starter(folder: Path) -> list[Path]:
    """Write a commented plan with all its files, and schemas for editors, into `folder`; returns the files written.

    The folder is created when it is not there. Raises CommandRefused, and writes nothing, when one of the files exists
    already, so a second call refuses. OSError passes through.
    """
    texts = {folder / name: text for name, text in _starter_texts().items()}
    present = sorted(str(path) for path in texts if path.exists() or path.is_symlink())
    if present:
        raise CommandRefused(f"Nothing was written, for this would replace {', '.join(present)}.")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    return list(texts)


def _starter_texts() -> dict[str, str]:
    texts = {}
    for name in ("plan.yaml", "contacts.yaml", "thresholds.yaml", "listening.yaml", *_runbook_names()):
        text = (LIBRARY / name).read_text(encoding="utf-8")
        for key in STARTER_KEYS:
            text = text.replace(key, secrets.token_hex(16))
        texts[name] = text.replace("../../docs/schemas/", "schemas/")
    return texts | {f"schemas/{name}": text for name, text in schema_texts().items()}


def _runbook_names() -> list[str]:
    return sorted(f"runbooks/{path.name}" for path in (LIBRARY / "runbooks").glob("*.yaml"))
