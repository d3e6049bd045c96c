"""The layers hold, and the engine starts without the weight of Prefect or of a provider's SDK."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run(['--no-cache'])"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def copied_house(tmp_path_factory):
    """A copy of every package, into which a test may plant a forbidden import."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for init in ROOT.glob("*/__init__.py"):
        ignore = shutil.ignore_patterns("node_modules", "__pycache__")
        shutil.copytree(init.parent, folder / init.parent.name, ignore=ignore)
    return folder


def test_the_import_rules_hold():
    done = lint_imports(ROOT)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "statement", "broken"),
    [
        ("incidents/planted.py", "import signals", "Imports point at the core"),
        ("notifications/planted.py", "import storage", "Imports point at the core"),
        ("engine/planted.py", "import prefect", "Nothing below the flows reaches Prefect"),
        ("tocsin/planted.py", "import prefect", "The shell starts Prefect's processes"),
        ("storage/planted.py", "import slack_sdk", "Twilio and Slack only in notifications"),
        ("engine/planted.py", "from twilio.rest import Client", "Twilio and Slack only in notifications"),
        ("incidents/planted.py", "import time", "What decides has no I/O"),
        ("runbooks/planted.py", "import os", "What decides has no I/O"),
        ("signals/planted.py", "def later():\n    import sqlite3", "What decides has no I/O"),
        ("contacts/planted.py", "from runbooks import loader", "What decides never reads plan files"),
        (
            "signals/planted.py",
            "from signals.social_score import social_score",
            "The social score is shown and decides",
        ),
        ("runbooks/planted.py", "import signals.social_score", "The social score is shown and decides"),
        ("engine/planted.py", "def later():\n    import signals.social_score", "The social score is shown and decides"),
        ("contacts/planted.py", "import contacts.planted_back", "No cycles inside packages"),
    ],
)
def test_a_planted_import_is_caught(copied_house, module, statement, broken):
    planted = copied_house / module
    back = planted.with_name("planted_back.py")
    planted.write_text(f"{statement}\n", encoding="utf-8")
    back.write_text(f"import {planted.parent.name}.planted\n", encoding="utf-8")
    try:
        done = lint_imports(copied_house)
    finally:
        planted.unlink()
        back.unlink()

    assert done.returncode == 1, done.stdout + done.stderr
    assert any(line.startswith(broken) and " BROKEN" in line for line in done.stdout.splitlines()), done.stdout


def heavy_modules_after(statement: str) -> list[str]:
    """The unwanted packages that a fresh interpreter has loaded after this statement."""
    program = (
        f"import sys\n{statement}\n"
        "print(*sorted({'prefect', 'twilio', 'slack_sdk'} & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.split()


def modules_of(package: str) -> list[str]:
    paths = sorted((ROOT / package).rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths if "migrations" not in path.parts]
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


@pytest.mark.parametrize("package", ["engine", "tocsin"])
def test_no_module_of_the_engine_and_the_shell_loads_prefect_or_an_sdk(package):
    assert heavy_modules_after(f"import {', '.join(modules_of(package))}") == []


def test_a_module_that_loads_one_is_found():
    assert heavy_modules_after("import slack_sdk") == ["slack_sdk"]
