"""The engine in trouble: broken plans, providers that hang or refuse, poisoned signals, late calls."""

import asyncio
import io
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from contacts.addresses import ChannelKind
from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from incidents import commands as c
from incidents.errors import Overloaded, PlanInvalid, ProviderUnavailable, Undeliverable
from notifications.channel import Message, Sent
from signals.signal import Signal
from storage import outbox

EXAMPLE = Path(__file__).resolve().parents[2] / "example"
KEY = "example-alertmanager-key-0001"


class Provider:
    """A channel of our own: takes, refuses or hangs, and keeps its own list."""

    gives_receipts = False
    two_way = True

    def __init__(self, kind: ChannelKind) -> None:
        self.kind = kind
        self.took: list[Message] = []
        self.cancelled: list[str] = []
        self.hangs = asyncio.Event()
        self.hangs.set()
        self.refuses: Exception | None = None

    async def send(self, message: Message) -> Sent:
        await self.hangs.wait()
        if self.refuses is not None:
            raise self.refuses
        self.took.append(message)
        return Sent(f"P{len(self.took)}")

    async def recover(self, message: Message) -> Sent | None:
        return None

    async def cancel(self, provider_id: str) -> None:
        self.cancelled.append(provider_id)

    async def close(self) -> None:
        self.hangs.set()


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "plan"))


@pytest.fixture
async def engine(tmp_path: Path, plan: Path) -> AsyncIterator[Engine]:
    engine = started(tmp_path / "home", plan)
    await engine.start()
    yield engine
    await engine.stop()


def started(home: Path, plan: Path) -> Engine:
    engine = Engine(EngineConfig(home, plan, "http://test"), SystemClock(), io.StringIO())
    engine.prepare()
    return engine


async def until(found: Callable[[], object]) -> None:
    for _ in range(400):
        if found():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came")


def alert(name: str, key: str | None = None, **labels: str) -> Signal:
    return Signal("trigger", key or name, f"{name} fires", "", "critical", {"alertname": name, **labels}, b"{}")


async def hear(engine: Engine, *signals: Signal) -> list[str]:
    integration = engine.integration(KEY)
    assert integration is not None
    return [each.outcome for each in await engine.hear(integration, signals)]


def spoil(plan: Path) -> None:
    contacts = plan / "contacts.yaml"
    contacts.write_text(contacts.read_text(encoding="utf-8") + "\nnonsense: [", encoding="utf-8")


async def test_a_plan_that_was_spoilt_on_disk_does_not_keep_a_restarted_engine_from_paging(
    tmp_path: Path, plan: Path
) -> None:
    first = started(tmp_path / "home", plan)
    await first.start()
    await first.stop()
    spoil(plan)

    again = started(tmp_path / "home", plan)
    await again.start()
    await hear(again, alert("ShopDown"))

    assert again.book.version == first.book.version
    await until(lambda: "PAGE to nora" in again._stream.getvalue())  # type: ignore[attr-defined]
    await until(lambda: "the plan folder cannot be used" in again._stream.getvalue())  # type: ignore[attr-defined]
    await again.stop()


def test_a_fresh_home_refuses_a_spoilt_plan(tmp_path: Path, plan: Path) -> None:
    spoil(plan)
    with pytest.raises(PlanInvalid):
        started(tmp_path / "home", plan)


async def test_a_real_alert_never_folds_into_a_drill_with_the_same_key(engine: Engine) -> None:
    assert await hear(engine, alert("ShopDown", "k1")) == ["declared"]
    assert await hear(engine, alert("Other", "k1")) == ["declared"]

    rows = (await engine.show("INC-1"))["drill"], (await engine.show("INC-2"))["drill"]
    assert rows == (True, False)


async def test_a_drill_and_a_real_incident_are_never_merged(engine: Engine) -> None:
    await hear(engine, alert("ShopDown", "k1"), alert("Other", "k2"))
    with pytest.raises(Exception, match="never merged"):
        await engine.merge("INC-1", "INC-2", "person:nora")


async def test_one_signal_that_cannot_be_taken_costs_no_other_its_page(engine: Engine) -> None:
    bad = Signal("trigger", "bad", "  ", "", "critical", {"alertname": "Blank"}, b"{}")
    with pytest.raises(Overloaded, match="the others were"):
        await hear(engine, alert("One", "k1"), bad, alert("Two", "k2"))

    assert [(await engine.show(each))["title"] for each in ("INC-1", "INC-2")] == ["One fires", "Two fires"]
    await until(lambda: "cannot be taken" in engine._stream.getvalue())  # type: ignore[attr-defined]


async def test_a_provider_that_hangs_holds_up_no_other(engine: Engine) -> None:
    dead, alive = Provider(ChannelKind.SMS), Provider(ChannelKind.CONSOLE)
    engine.channels[ChannelKind.SMS], engine.channels[ChannelKind.CONSOLE] = dead, alive
    dead.hangs.clear()
    now = engine.clock.now().timestamp()
    rows = [
        outbox.OutboxRow(f"1.X.{n}", "X", None, "notice", "sms", "x", "x", "en", "x", "AAAAA", False, 0, now)
        for n in range(250)
    ]
    await engine.database.write(lambda tx: outbox.insert(tx, rows))
    await until(lambda: engine.pager.in_flight >= 100)

    await hear(engine, alert("ShopDown"))

    await until(lambda: [each for each in alive.took if each.incident == "INC-1"])


async def test_a_call_that_was_being_placed_when_somebody_answered_is_hung_up(engine: Engine) -> None:
    provider = Provider(ChannelKind.CONSOLE)
    engine.channels[ChannelKind.CONSOLE] = provider
    provider.gives_receipts = True
    provider.hangs.clear()
    await hear(engine, alert("ShopDown"))
    await until(lambda: engine.pager.in_flight)
    await engine.command("INC-1", lambda _i, _n: c.Acknowledge("nora", "cli"))

    provider.hangs.set()

    await until(lambda: provider.cancelled)


async def test_an_update_that_did_not_leave_is_in_the_timeline_and_pages_the_commander(engine: Engine) -> None:
    await hear(engine, alert("ShopDown"))
    await engine.command("INC-1", lambda _i, _n: c.Acknowledge("nora", "cli"))
    provider = Provider(ChannelKind.CONSOLE)
    provider.refuses = Undeliverable("not_in_channel")
    engine.channels[ChannelKind.CONSOLE] = provider
    await engine.publish_update(
        "INC-1", audience="customers", text="Orders fail.", next_in=None, by="person:nora", command_id=None
    )

    shown: dict[str, object] = {}

    async def look() -> list[str]:
        shown.update(await engine.show("INC-1"))
        return [entry["kind"] for entry in shown["timeline"]]  # type: ignore[attr-defined]

    for _ in range(200):
        if "PublicationFailed" in (kinds := await look()):
            break
        await asyncio.sleep(0.02)
    assert "PublicationFailed" in kinds
    assert any(each["kind"] == "direct" for each in shown["escalations"])  # type: ignore[attr-defined]


async def test_a_notice_that_was_refused_for_the_moment_is_tried_again(engine: Engine) -> None:
    provider = Provider(ChannelKind.SLACK)
    provider.refuses = ProviderUnavailable("busy")
    engine.channels[ChannelKind.SLACK] = provider
    now = engine.clock.now().timestamp()
    row = outbox.OutboxRow("1.X.1", "X", None, "notice", "slack", "x", "x", "en", "x", "AAAAA", False, 0, now)
    await engine.database.write(lambda tx: outbox.insert(tx, [row]))
    engine.pager.nudge()
    await until(lambda: (engine.database.read_now(lambda tx: outbox.get(tx, "1.X.1")) or row).attempts >= 1)

    provider.refuses = None

    await until(lambda: provider.took)


def test_the_clock_follows_the_computer_forward_and_not_back(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = {"wall": 1000.0, "mono": 50.0}
    monkeypatch.setattr("engine.clock.time.time", lambda: moment["wall"])
    monkeypatch.setattr("engine.clock.time.monotonic", lambda: moment["mono"])
    clock = SystemClock()

    moment.update(wall=4600.0, mono=51.0)
    assert clock.now().timestamp() == 4600.0
    moment.update(wall=1002.0, mono=52.0)
    assert clock.now().timestamp() == 4601.0
    assert clock.held_back == 3599.0
    moment.update(wall=5000.0, mono=53.0)
    assert clock.now().timestamp() == 5000.0
    assert clock.held_back == 0.0


async def test_while_a_worker_lives_the_runbook_waits_for_its_run_and_pages_do_not(engine: Engine) -> None:
    await engine.wheel.worker_says("w1", 1)
    await hear(engine, alert("ShopDown"))
    await engine.command("INC-1", lambda _i, _n: c.Acknowledge("nora", "cli"))

    shown = await engine.show("INC-1")
    assert shown["pages"]
    assert {step["state"] for step in shown["steps"]} == {"waiting"}
    assert [each["incident"] for each in await engine.wheel.work(10)] == ["INC-1"]


async def test_the_operators_and_the_log_hear_of_one_trouble_once(engine: Engine, caplog: pytest.LogCaptureFixture):
    for _ in range(3):
        await engine.page_operators("disk", "the disk is full.")
    await engine.page_operators("mail", "answers by mail do not arrive.")

    said = [each.getMessage() for each in caplog.records if each.levelname == "CRITICAL"]
    assert [each.partition("subject=")[2].split()[0] for each in said] == ["disk", "mail"]


async def test_trouble_that_cannot_be_written_down_still_stands_in_the_log(
    engine: Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    async def full(*_args: object, **_more: object) -> None:
        raise Overloaded("The disk is full.", retry_after=5)

    with monkeypatch.context() as broken:
        broken.setattr(engine.database, "write", full)
        with pytest.raises(Overloaded):
            await engine.page_operators("disk", "the disk is full.")

    assert "the disk is full." in caplog.text
