"""Nothing leaves this checkout that belongs to one machine or one person: scans every file that git tracks.

The needles are written in pieces, so that this file does not find itself.
"""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Fictional numbers: +1 xxx 555 01xx (North America) and +44 7700 900xxx (Ofcom, for drama).
TEST_NUMBERS = re.compile(r"\+1\d{3}55501\d{2}|\+447700900\d{3}")

FORBIDDEN = {
    "a registry's host": re.compile(
        r"(?i)\b(?:"
        + "|".join(
            [
                "py" + r"pi\.org",
                "python" + r"hosted\.org",
                "registry" + r"\.npm",
                "npm" + r"js\.org",
                "yarn" + r"pkg\.com",
                "deb" + r"\.debian\.org",
                "archive" + r"\.ubuntu\.com",
            ]
        )
        + r")"
    ),
    "an index address": re.compile(
        r"(?i)(?<!no-emit-)(?:extra[-_])?index" + r"[-_]url\b|\bfind" + r"[-_]links\b|\btrusted" + r"[-_]host\b"
    ),
    "a path of one machine": re.compile(
        r"(?<![\w.~-])/(?:ro" + r"ot|Us" + r"ers/\w+|ho" + r"me/\w+|wo" + r"rk/(?:main|shared))(?:/|\b)"
    ),
    "a private key": re.compile("-----BEGIN" + r" (?:[A-Z]+ )*PRIVATE KEY"),
    "a provider's secret": re.compile(
        r"\b(?:xox[abeprs]-\d{6,}-|gh[pousr]_\w{30}|AKIA[0-9A-Z]{16}|[sr]k_live_\w{16}|(?:AC|SK)(?!(\w)\1{31})[0-9a-f]{32}\b)"
    ),
    "a password in an address": re.compile(r"\b[a-z][a-z0-9+]*://[^\s/:@'\"{}<>$]+:[^\s/:@'\"{}<>$]+@"),
}
PHONE_NUMBER = re.compile(r"(?<![\w.+])\+[1-9]\d{9,14}(?!\d)")


def tracked_files(checkout: Path) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=checkout, check=True, capture_output=True, text=True)
    return [path for name in listed.stdout.split("\0") if name and (path := checkout / name).is_file()]


def findings(checkout: Path) -> list[str]:
    """One line `file:line: what` for each thing that must not be in the repository."""
    found = []
    for path in tracked_files(checkout):
        name = path.relative_to(checkout).as_posix()
        if path.name in {"pylock.toml", "uv.lock"}:
            found.append(f"{name}:0: a second lock")
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            found += [f"{name}:{number}: {what}" for what, needle in FORBIDDEN.items() if needle.search(line)]
            if any(not TEST_NUMBERS.fullmatch(each) for each in PHONE_NUMBER.findall(line)):
                found.append(f"{name}:{number}: a telephone number that is not a test number")
            if path.name == "package-lock.json" and '"resolved"' in line:
                found.append(f"{name}:{number}: a download address")
            if str(checkout) in line:
                found.append(f"{name}:{number}: the path of this checkout")
    return found


def test_no_tracked_file_holds_what_belongs_to_one_machine_or_person():
    assert findings(ROOT) == []


def test_the_lock_pins_every_package_by_hash():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    packages = re.split(r"\n(?=\S)", lock.strip())

    assert len(packages) > 100
    assert [each.splitlines()[0] for each in packages if "==" not in each or "--hash=sha256:" not in each] == []


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[[str, str], Path]:
    """A git checkout into which a test plants one file."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)

    def plant(name: str, text: str) -> Path:
        planted = tmp_path / name
        planted.parent.mkdir(parents=True, exist_ok=True)
        planted.write_text(text, encoding="utf-8")
        subprocess.run(["git", "add", "-f", name], cwd=tmp_path, check=True)
        return tmp_path

    return plant


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("a.md", "see https://py" + "pi.org/project/x", "a registry's host"),
        ("a.json", '"https://registry.np' + 'mjs.org/x"', "a registry's host"),
        ("requirements.lock", "--index" + "-url file:///x", "an index address"),
        ("pip.conf", "find" + "-links = /opt/x", "an index address"),
        (".ci/run", "export PIP_EXTRA_INDEX" + "_URL=x", "an index address"),
        ("a.py", 'HOME = "/ro' + 'ot/x"', "a path of one machine"),
        ("a.py", "# /ho" + "me/alice/tocsin", "a path of one machine"),
        ("a.py", "# /wo" + "rk/shared/x", "a path of one machine"),
        ("a.pem", "-----BEGIN" + " RSA PRIVATE KEY-----", "a private key"),
        ("a.env", "TOKEN=xox" + "b-123456789012-abc", "a provider's secret"),
        ("a.env", "SID=AC" + "0123456789abcdef" * 2, "a provider's secret"),
        ("a.env", "postgresql://tocsin:hun" + "ter2@db/tocsin", "a password in an address"),
        ("a.yaml", "phone: +1555" + "1234567", "a telephone number that is not a test number"),
        ("a.yaml", "phone: +45" + "12345678", "a telephone number that is not a test number"),
        ("sub/package-lock.json", '"reso' + 'lved": "x"', "a download address"),
        ("sub/uv.lock", "", "a second lock"),
        ("pylock.toml", "", "a second lock"),
    ],
)
def test_a_planted_finding_is_found(checkout, name, text, what):
    assert f"{name}:{1 if text else 0}: {what}" in findings(checkout(name, text))


def test_the_path_of_the_checkout_is_found(checkout):
    folder = checkout("a.py", "")

    assert "a.py:1: the path of this checkout" in findings(checkout("a.py", f"{folder}/x"))


@pytest.mark.parametrize(
    "text",
    [
        "phone: +1202" + "5550123",
        "phone: +447700" + "900123",
        "sid: AC" + "0" * 32,
        "uv pip compile --no-emit-index" + "-url",
        "sqlite:////var/lib/tocsin/tocsin.db",
        "token: xoxb-test",
        "2026-11-21T10:00:00+00:00",
        "postgresql://$USER:$PASSWORD@db/tocsin",
    ],
)
def test_what_is_allowed_is_not_found(checkout, text):
    assert findings(checkout("a.txt", text)) == []
