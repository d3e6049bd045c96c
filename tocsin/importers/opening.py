"""Opens an export: one JSON file, a folder of them, or a zip. The only module here that reads from a disk."""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from incidents.errors import CommandRefused
from tocsin.importers.reading import Shape, Value, gather, read_json

SIZE_LIMIT = 64_000_000
"""Bytes of JSON altogether. A company of 10,000 people needs a third of it."""
FILES_LIMIT = 50_000


def open_export(path: Path, shape: Shape) -> dict[str, list[Value]]:
    """The items of every key of the export at `path`. Raises CommandRefused with the file and place that is wrong."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return gather(shape, _keyed(shape, _of_folder(path)))
        if not stat.S_ISREG(mode):
            raise CommandRefused(f"{path} is neither a file nor a folder.")
        if zipfile.is_zipfile(path):
            return gather(shape, _keyed(shape, _of_zip(path)))
        return gather(shape, [("", path.name, read_json(path.name, _content(path, SIZE_LIMIT)))])
    except OSError as error:
        raise CommandRefused(f"{path} cannot be read: {error.strerror or error}.") from error


def _content(path: Path, left: int) -> bytes:
    with path.open("rb") as file:
        content = file.read(left + 1)
    if len(content) > left:
        raise _too_large(path.name)
    return content


def _too_large(name: str) -> CommandRefused:
    return CommandRefused(f"{name}: the export has more than {SIZE_LIMIT // 1_000_000} MB of JSON; no such is known.")


def _of_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    left = SIZE_LIMIT
    paths = sorted(path for path in folder.rglob("*.json") if not path.name.startswith("."))
    if len(paths) > FILES_LIMIT:
        raise CommandRefused(f"{folder} has more than {FILES_LIMIT} files.")
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_file():
            raise CommandRefused(f"{name}: this is not a file of the export itself; put the file here.")
        content = _content(path, left)
        left -= len(content)
        yield name, content


def _of_zip(path: Path) -> Iterator[tuple[str, bytes]]:
    left = SIZE_LIMIT
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [each for each in archive.infolist() if each.filename.endswith(".json") and not each.is_dir()]
            if len(entries) > FILES_LIMIT:
                raise CommandRefused(f"{path.name} has more than {FILES_LIMIT} files.")
            for entry in sorted(entries, key=lambda each: each.filename):
                with archive.open(entry) as file:
                    content = file.read(left + 1)
                if len(content) > left:
                    raise _too_large(path.name)
                left -= len(content)
                yield entry.filename, content
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise CommandRefused(f"{path.name}: this zip cannot be read: {error}.") from error


def _keyed(shape: Shape, files: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, str, Any]]:
    """Each file with its key: the folder that it stands in, or its own name (`users.json`, `users-2.json`)."""
    some = False
    for name, content in files:
        path = PurePosixPath(name)
        stem = path.stem.rstrip("0123456789").rstrip("-_.")
        key = next((each for each in (*reversed(path.parent.parts), stem) if each in shape.keys), None)
        if key is not None:
            some = True
            yield key, name, read_json(name, content)
    if not some:
        raise CommandRefused(f"There is nothing to import here; there should be {'.json, '.join(shape.keys)}.json.")
