"""TOCSIN_HOME: the folder that holds the database, the token, the secret and the lock. One engine a home."""

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from engine.clock import random_token
from incidents.errors import TocsinError

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs"}


LEAST_KEPT = 16
"""Characters of a token, secret or key that a file of ours must hold."""


class HomeUnusable(TocsinError):
    """The home cannot be used: another engine holds it, it is on a network file system, or it is not writable."""


@dataclass(frozen=True, slots=True)
class Home:
    """Paths inside the home. `prepare` makes what is missing; a second call changes nothing."""

    path: Path

    @property
    def database(self) -> Path:
        return self.path / "tocsin.db"

    @property
    def address_file(self) -> Path:
        return self.path / "engine.json"

    @property
    def token_file(self) -> Path:
        return self.path / "token"

    @property
    def secret_file(self) -> Path:
        return self.path / "secret"

    @property
    def push_key_file(self) -> Path:
        return self.path / "push-key"

    def prepare(self) -> None:
        """Make the folder (0700). Raises HomeUnusable when it cannot be written or lies on a network file system."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise HomeUnusable(f"{self.path} cannot be made: {error.strerror}") from error
        kind = _file_system(self.path)
        if kind in _NETWORK:
            raise HomeUnusable(f"{self.path} is on a network file system ({kind}); SQLite needs a local disk.")

    def lock(self) -> IO[str]:
        """Hold the home; keep the returned file open. Raises HomeUnusable when another engine holds it."""
        file = (self.path / "engine.lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise HomeUnusable(
                f"Another Tocsin engine (process {holder}) already uses {self.path}. One engine a home: stop that one "
                "first, or give this one a home of its own with --home."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return file

    def token(self, given: str | None) -> str:
        """What the API asks for. Raises HomeUnusable for a file with too little in it, as the next two do."""
        return given or _keep(self.token_file, _new_token, "whoever uses the old token reads the new one there")

    def secret(self, given: str | None) -> str:
        return given or _keep(self.secret_file, _new_token, "links in pages that were sent before are void then")

    def push_key(self, given: str | None, make: Callable[[], str]) -> str:
        """Our private key towards push services. Browsers that were subscribed with another one ring no more."""
        return given or _keep(self.push_key_file, make, "every browser must be let ring again at /push then")

    def write_address(self, url: str, token: str) -> None:
        """Tell the command line where the engine is. Replaced in one step, so that nobody reads half a file."""
        draft = self.address_file.with_suffix(".new")
        draft.write_text(json.dumps({"url": url, "pid": os.getpid()}), encoding="utf-8")
        draft.replace(self.address_file)
        _write_private(self.token_file, token)


def _keep(path: Path, make: Callable[[], str], price: str) -> str:
    """What the file holds; made when there is no file. `price`: what a new one costs."""
    try:
        kept = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        made = make()
        _write_private(path, made)
        return made
    except (OSError, UnicodeDecodeError) as error:
        raise HomeUnusable(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}.") from error
    # An empty one would let everybody in: an empty token is asked of nobody, an empty secret signs every link.
    if len(kept) < LEAST_KEPT:
        held = "is empty" if not kept else f"holds only {len(kept)} characters"
        raise HomeUnusable(
            f"{path} {held}, which would let strangers in. Put it back from a backup, or delete it and the next start "
            f"makes a new one: {price}."
        )
    return kept


def _new_token() -> str:
    return random_token(24)


def _write_private(path: Path, text: str) -> None:
    """The whole text or the old file, whenever the process dies or the disk fills up; for our eyes alone."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)  # else an old draft would keep its own mode
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _file_system(path: Path) -> str:
    """The kind of file system `path` is on, by the longest mount point above it; "" where /proc does not tell."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    except OSError:
        return ""
    best, kind = "", ""
    real = str(path.resolve())
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        mount = fields[1].replace("\\040", " ")
        if (real == mount or real.startswith(mount.rstrip("/") + "/")) and len(mount) >= len(best):
            best, kind = mount, fields[2]
    return kind
