"""Faults planted into a copy of the project: a named test has to notice. What cannot be planted any more fails too."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "contacts",
    "customers",
    "engine",
    "flows",
    "incidents",
    "listening",
    "notifications",
    "runbooks",
    "signals",
    "storage",
    "tests",
    "tocsin",
)
ENOUGH = 120


@dataclass(frozen=True)
class Fault:
    """`guard` stands in `file` once; `instead` switches it off; `noticed_by` is the test that has to fail then."""

    number: int
    file: str
    guard: str
    instead: str
    noticed_by: str

    @property
    def name(self) -> str:
        return f"{self.number:02}-{self.noticed_by.rpartition('::')[2].removeprefix('test_')[:70]}"


def run(folder: Path, fault: Fault) -> tuple[int, str]:
    copy = copy_of(folder)
    source = copy / fault.file
    text = source.read_text()
    found = text.count(fault.guard)
    if found != 1:
        return -1, f"the guard stands {found} times in {fault.file}; bring the table up to date"
    source.write_text(text.replace(fault.guard, fault.instead))
    try:
        return pytest_in(copy, fault.noticed_by)
    finally:
        shutil.rmtree(copy, ignore_errors=True)  # twenty megabytes each


_LEFT_OUT = shutil.ignore_patterns("node_modules", "integration", ".snac")
"""The byte-code comes along: times are kept, so that only the file with the fault is compiled anew."""


def copy_of(folder: Path) -> Path:
    folder.mkdir()
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=_LEFT_OUT)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def pytest_in(folder: Path, *tests: str) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("CI", None)
    plugins = ["-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout"]
    command = [sys.executable, "-m", "pytest", "-q", "-x", *plugins, *tests]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=ENOUGH)
    return done.returncode, done.stdout + done.stderr
