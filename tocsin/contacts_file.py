"""Writes the engine's proofs into contacts.yaml: `verified: 2026-11-24` beside the address. Nothing else is touched.

The text is changed where the values stand, not read and written anew: comments, order, quotes and line ends stay as
their author left them.
"""

import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from incidents.errors import CommandRefused

Proofs = Mapping[tuple[str, str, str], date]
"""(contact, channel kind, address) -> the day on which its owner last proved that it reaches them."""


@dataclass(frozen=True, slots=True)
class Change:
    """One value that was written."""

    contact: str
    kind: str
    to: str
    key: str
    before: str | None
    after: str

    def __str__(self) -> str:
        was = "" if self.before is None else f" (was {self.before})"
        return f"{self.contact}, {self.kind} {self.to}: {self.key}: {self.after}{was}"


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: str
    change: Change


def with_proofs(text: str, proofs: Proofs, reverify_every: timedelta) -> tuple[str, tuple[Change, ...]]:
    """The file with later proofs written in, and what was changed. A second time changes nothing. Pure.

    An `expires` that would make the new proof old moves along, `reverify_every` after it.
    """
    edits = sorted(_edits(text, proofs, reverify_every), key=lambda edit: edit.start)
    changed = text
    for edit in reversed(edits):
        changed = changed[: edit.start] + edit.text + changed[edit.end :]
    return changed, tuple(edit.change for edit in edits)


def _edits(text: str, proofs: Proofs, reverify_every: timedelta) -> Iterator[_Edit]:
    root = YAML(typ="rt", pure=True).compose(text)
    for contact in _items(_value(root, "contacts")):
        contact_id = _written(_value(contact, "id"))
        for channel in _items(_value(contact, "channels")):
            if not isinstance(channel, MappingNode):
                continue
            kind, to = _written(_value(channel, "kind")), _written(_value(channel, "to"))
            proven = proofs.get((contact_id, kind, to))
            if proven is not None:
                yield from _channel_edits(text, channel, (contact_id, kind, to), proven, reverify_every)


def _channel_edits(
    text: str, channel: MappingNode, whose: tuple[str, str, str], proven: date, reverify_every: timedelta
) -> Iterator[_Edit]:
    verified, expires = _value(channel, "verified"), _value(channel, "expires")
    if verified is None:
        change = Change(*whose, "verified", None, proven.isoformat())
        yield _added(text, channel, change)
    elif _written(verified) < proven.isoformat():
        yield _replaced(text, verified, Change(*whose, "verified", _written(verified), proven.isoformat()))
    until = (proven + reverify_every).isoformat()
    stale = verified is None or _written(verified) < proven.isoformat()
    if expires is not None and stale and _written(expires) < until:
        yield _replaced(text, expires, Change(*whose, "expires", _written(expires), until))


def _replaced(text: str, value: Node, change: Change) -> _Edit:
    start, end = value.start_mark.index, value.end_mark.index
    quote = text[start] if text[start] in "\"'" else ""
    return _Edit(start, end, f"{quote}{change.after}{quote}", change)


def _added(text: str, channel: MappingNode, change: Change) -> _Edit:
    """After the address: in the same line of a flow mapping, in a line of its own of a block mapping."""
    pair = next(pair for pair in channel.value if pair[0].value == "to")
    key, value = pair
    end = value.end_mark.index
    if channel.flow_style:
        return _Edit(end, end, f", verified: {change.after}", change)
    line_end = text.find("\n", end)
    if line_end < 0:
        return _Edit(len(text), len(text), f"\n{' ' * key.start_mark.column}verified: {change.after}", change)
    newline = "\r\n" if text[line_end - 1 : line_end] == "\r" else "\n"
    line = f"{' ' * key.start_mark.column}verified: {change.after}{newline}"
    return _Edit(line_end + 1, line_end + 1, line, change)


def _value(node: Node | None, key: str) -> Node | None:
    if not isinstance(node, MappingNode):
        return None
    found: Node | None = next((value for name, value in node.value if name.value == key), None)
    return found


def _items(node: Node | None) -> Sequence[Node]:
    return node.value if isinstance(node, SequenceNode) else ()


def _written(node: Node | None) -> str:
    return str(node.value) if isinstance(node, ScalarNode) else ""


def record(file: Path, proofs: Proofs, reverify_every: timedelta) -> tuple[Change, ...]:
    """Write the proofs into this file, whole or not at all. CommandRefused when it cannot be written.

    What comes out is read again first: but for the days it must say what it said before.
    """
    real = file.resolve()
    try:
        before = real.read_bytes().decode("utf-8")
    except OSError as error:
        raise CommandRefused(f"{file} cannot be read: {error.strerror}.") from error
    mark = "\ufeff" if before.startswith("\ufeff") else ""
    after, changes = with_proofs(before.removeprefix(mark), proofs, reverify_every)
    if not changes:
        return ()
    if not _says_the_same(before.removeprefix(mark), after):
        raise CommandRefused(f"{file} is written in a way that cannot be changed safely; write the days yourself.")
    _write(real, (mark + after).encode())
    return changes


def _says_the_same(before: str, after: str) -> bool:
    try:
        return bool(_without_days(before) == _without_days(after))
    except YAMLError:
        return False


def _without_days(text: str) -> Any:
    content = YAML(typ="safe", pure=True).load(text)
    for contact in content["contacts"]:
        for channel in contact["channels"]:
            for key in ("verified", "expires"):
                channel.pop(key, None)
    return content


def _write(file: Path, content: bytes) -> None:
    """Beside it first, then in its place, with the same permissions."""
    mode = stat.S_IMODE(file.stat().st_mode)
    draft = ""
    try:
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as writing:
            draft = writing.name
            writing.write(content)
            writing.flush()
            os.fsync(writing.fileno())
        os.chmod(draft, mode)
        os.replace(draft, file)
    except OSError as error:
        if draft:
            Path(draft).unlink(missing_ok=True)
        raise CommandRefused(f"{file} cannot be written: {error.strerror}.") from error
