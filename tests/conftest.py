"""What every test run has to tell: what was left out and what to install for it, and how many tests met a real program.

In CI (`CI=true`) a run also fails when a skip, an expected failure or a deselection is not named with its reason in
tests/allowed_skips.txt, and when one of COUNTERPARTIES met no test at all.
"""

import os
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.txt")

# The programs that we did not write and that CI must meet. @pytest.mark.counterparty(name) takes these names.
COUNTERPARTIES = (
    "twilio",
    "slack",
    "alertmanager",
    "prometheus",
    "prefect",
    "pagerduty-client",
    "chromium",
    "mail",
    "bluesky",
    "mastodon",
    "fediverse",
)

_NODE_MOCKS = "node, then: npm ci --ignore-scripts --prefix tests/counterparties/node"


def _missing(counterparty: str) -> str | None:
    """What to install so that tests with this counterparty can run; None when it is there."""
    match counterparty:
        case "twilio" | "slack":
            mocks = ROOT / "tests" / "counterparties" / "node" / "node_modules" / "emulate"
            return None if shutil.which("node") and mocks.is_dir() else _NODE_MOCKS
        case "alertmanager":
            return None if shutil.which("prometheus-alertmanager") else "Debian package prometheus-alertmanager"
        case "prometheus":
            return None if shutil.which("prometheus") else "Debian package prometheus"
        case "chromium":
            return None if shutil.which("chromium") else "Debian packages chromium and fonts-dejavu-core"
        case "mail":
            return _missing_mail()
        case "bluesky":
            return _missing_bluesky()
        case "fediverse":
            return _missing_fediverse()
        case "prefect" | "pagerduty-client" | "mastodon":
            return None  # they come with the lock
        case _:
            raise pytest.UsageError(f"counterparty({counterparty!r}) is none of {', '.join(COUNTERPARTIES)}")


def _missing_mail() -> str | None:
    dovecot = all(Path("/usr/lib/dovecot", each).exists() for each in ("imap", "lmtp"))
    if not (shutil.which("postfix") and shutil.which("dovecot") and dovecot):
        return "Debian packages postfix, dovecot-imapd and dovecot-lmtpd"
    return None if os.geteuid() == 0 else "root: Postfix starts for nobody else"


def _missing_bluesky() -> str | None:
    network = ROOT / "tests" / "counterparties" / "bluesky" / "node_modules" / "@atproto" / "dev-env"
    if not (shutil.which("node") and network.is_dir()):
        return "node, then: tests/counterparties/bluesky/install.sh"
    stores = shutil.which("redis-server") and any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return None if stores else "Debian packages postgresql and redis-server"


def _missing_fediverse() -> str | None:
    snac = ROOT / "tests" / "counterparties" / "snac" / ".snac" / "root" / "usr" / "bin" / "snac"
    if not snac.exists():
        return "snac2, unpacked by tests/counterparties/snac/get_snac.sh"
    return None if os.geteuid() == 0 else "root: servers of the fediverse without a name need port 80"


@dataclass(frozen=True)
class Allowance:
    """One line of allowed_skips.txt: tests that may be left out, and why."""

    pattern: str
    reason: str

    def covers(self, nodeid: str) -> bool:
        # Only * is special: the brackets of a parametrised test are meant as they stand.
        return re.fullmatch(re.escape(self.pattern).replace(r"\*", ".*"), nodeid) is not None


def read_allowances(text: str) -> list[Allowance]:
    """The lines `<node id, * for anything>  # <reason>`. Raises UsageError for a line without a reason."""
    allowances = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        pattern, _, reason = (part.strip() for part in line.partition(" # "))
        if not reason:
            raise pytest.UsageError(f"{ALLOWED_SKIPS.name}:{number}: the reason is missing: <node id>  # <reason>")
        allowances.append(Allowance(pattern, reason))
    return allowances


@dataclass
class Account:
    """What one run did and did not do, by node id."""

    allowances: list[Allowance] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    deselected: set[str] = field(default_factory=set)
    executed: Counter[str] = field(default_factory=Counter)

    def unexplained(self) -> list[str]:
        """Every test left out that no allowance covers."""
        candidates = sorted({*self.left_out, *self.deselected})
        return [node for node in candidates if not any(each.covers(node) for each in self.allowances)]

    def unmet(self) -> list[str]:
        return [name for name in COUNTERPARTIES if not self.executed[name]]

    def complaints(self) -> list[str]:
        """Why a run in CI may not pass, a sentence each."""
        reasons = {**dict.fromkeys(self.deselected, "deselected"), **self.left_out}
        sentences = [f"Left out without allowance: {node}: {reasons[node]}" for node in self.unexplained()]
        return sentences + [f"No test met the counterparty {name}." for name in self.unmet()]


_ACCOUNT = pytest.StashKey[Account]()


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"true", "1"}


def _reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    if xfail := getattr(report, "wasxfail", ""):
        return f"expected to fail: {xfail}"
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)


class Accountant:
    """Keeps the account of one run. With pytest-xdist it works in the controlling process."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome == "skipped":
            self.account.left_out[report.nodeid] = _reason_of(report)
        elif report.when == "call":
            names = {str(value) for name, value in report.user_properties if name == "counterparty"}
            self.account.executed.update(names)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.outcome == "skipped":
            self.account.left_out[report.nodeid] = _reason_of(report)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.account.deselected.update(item.nodeid for item in items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.account.deselected.update(getattr(node, "workeroutput", {}).get("deselected", ()))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["deselected"] = sorted(self.account.deselected)
        elif _in_ci() and session.exitstatus == pytest.ExitCode.OK and self.account.complaints():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return (yield)


def pytest_configure(config: pytest.Config) -> None:
    account = Account(read_allowances(ALLOWED_SKIPS.read_text(encoding="utf-8")))
    config.stash[_ACCOUNT] = account
    config.pluginmanager.register(Accountant(account), "tocsin-accountant")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in item.iter_markers("counterparty"):
            item.user_properties.append(("counterparty", marker.args[0]))
            if to_install := _missing(marker.args[0]):
                item.add_marker(pytest.mark.skip(reason=f"needs {to_install}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    account = config.stash[_ACCOUNT]
    by_reason = defaultdict(list)
    for node, reason in account.left_out.items():
        by_reason[reason].append(node)
    terminalreporter.section("what ran")
    met = ", ".join(f"{name} {account.executed[name]}" for name in COUNTERPARTIES)
    terminalreporter.line(f"Tests executed per counterparty: {met}")
    for reason, nodes in sorted(by_reason.items()):
        example = nodes[0] if len(nodes) == 1 else f"{nodes[0]} and {len(nodes) - 1} more"
        terminalreporter.line(f"Left out {len(nodes)}: {reason} ({example})")
    if account.deselected:
        terminalreporter.line(f"Left out {len(account.deselected)}: deselected by this command")
    if not by_reason and not account.deselected:
        terminalreporter.line("Nothing was left out.")
    if _in_ci():
        for sentence in account.complaints():
            terminalreporter.line(f"CI: {sentence}", red=True)
