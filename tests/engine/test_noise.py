"""Noise between the intake and the incident: what is kept, held, joined, and heard in the end."""

from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from engine.expectations import Expectations, Work
from engine.intake import Heard
from incidents import commands as c
from incidents.severity import Severity
from incidents.state import Status
from incidents.timeline import sentence
from runbooks.noise import Maintenance, Noise
from runbooks.plan import Plan
from signals.integration import Integration, Route
from signals.noise import Flapping, Group, Inhibit, Storm
from signals.signal import Action, Signal
from storage import noise as store
from storage.database import Tx
from tests.support.memory import Memory
from tests.support.plans import crisis_plan, everybody

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def later(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


class Ears:
    """A memory with a plan that has rules of noise, and the companion that looks once a second."""

    def __init__(self, noise: Noise, plan: Plan | None = None) -> None:
        self.memory = Memory((plan or crisis_plan()).model_copy(update={"noise": noise}), everybody(), NOW)
        clock = SimpleNamespace(now=lambda: NOW)
        self.expectations = Expectations(SimpleNamespace(clock=clock, book=self.memory.book, intake=self.memory.intake))
        self.integration = self.memory.book.plan.integrations[0]

    def hears(
        self,
        action: Action,
        key: str,
        at: datetime = NOW,
        word: str | None = "warning",
        **labels: Any,
    ) -> str:
        """What became of it. `sender` and `ends_at` are the signal's own, everything else is a label."""
        sender, ends_at = labels.pop("sender", None), labels.pop("ends_at", None)
        signal = Signal(
            action, key, f"{key} fires", "monitor", word, {"alertname": key, **labels}, b"as it came", ends_at
        )
        return self.memory.do(lambda tx: self.memory.intake.hear(tx, sender or self.integration, [signal], at))[
            0
        ].outcome

    def silence(self, *matchers: str, minutes: float = 60, even_sev1: bool = False, at: datetime = NOW) -> str:
        until = at + timedelta(minutes=minutes)
        row = self.memory.do(
            lambda tx: store.add_silence(tx, matchers, "ana", "we know", at, until, even_sev1=even_sev1)
        )
        return row.name

    def time_passes(self, at: datetime) -> list[str]:
        """The companion looks; what became of the signals that it found."""
        works = self.expectations
        found = []
        for work in (
            works.recover_ended,
            works.settle_flapping,
            works.hear_kept,
            works.miss_heartbeats,
            works.end_storms,
        ):
            found += [each.outcome for each in self.memory.do(partial(self._at, work, at))]
        return found

    @staticmethod
    def _at(work: Work, at: datetime, tx: Tx) -> list[Heard]:
        return work(tx, at)

    def is_ended(self, number: int, at: datetime) -> None:
        """Somebody ends a silence."""

        def end(tx: Tx) -> None:
            store.end_silence(tx, number, "ana", at)
            store.look_again(tx, at, f"S-{number}")

        self.memory.do(end)

    def kept(self, key: str) -> store.HeldRow:
        found = self.memory.do(lambda tx: store.held(tx, f"monitor:{key}"))
        assert found is not None
        return found

    def keeps(self, key: str) -> bool:
        return self.memory.do(lambda tx: store.held(tx, f"monitor:{key}")) is not None

    def incidents(self) -> list[str]:
        return [row[0] for row in self.memory.do(lambda tx: tx.all("SELECT id FROM incidents ORDER BY number"))]

    def timeline(self, incident: str = "INC-1") -> list[str]:
        return [sentence(event) for event in self.memory.events(incident)]

    def pages(self, incident: str = "INC-1") -> int:
        return len([row for row in self.memory.rows(incident) if row.kind == "page"])


@pytest.fixture
def ears():
    return Ears(Noise())


# --- silences ---


def test_a_silenced_signal_is_kept_counted_and_pages_nobody(ears):
    name = ears.silence("alertname=Shop*", "integration=monitor")
    assert ears.hears("trigger", "Shop") == "declared", "= is exact"
    name = ears.silence("alertname=~Pay*")
    assert [ears.hears("trigger", "Payments", later(1)) for _ in range(3)] == ["silenced"] * 3
    kept = ears.kept("Payments")
    assert (kept.held_by, kept.count, kept.severity, kept.signal.body) == (name, 3, "SEV3", b"as it came")
    assert ears.incidents() == ["INC-1"]


def test_a_silenced_signal_that_still_fires_is_heard_when_the_silence_ends(ears):
    ears.silence("alertname=Payments", minutes=60)
    ears.hears("trigger", "Payments")
    assert ears.time_passes(later(59)) == []
    assert ears.time_passes(later(60)) == ["declared"]
    assert ears.pages() == 1
    assert "kept since 02 Mar 09:00 UTC, heard 1 times: silenced by ana" in ears.timeline()[0]
    assert not ears.keeps("Payments")
    assert ears.hears("trigger", "Payments", later(61)) == "counted"


def test_a_silenced_signal_that_recovers_is_forgotten(ears):
    ears.silence("alertname=Payments", minutes=60)
    ears.hears("trigger", "Payments")
    assert ears.hears("resolve", "Payments", later(5)) == "recovered"
    assert ears.time_passes(later(61)) == []
    assert ears.incidents() == []


def test_a_silence_that_is_ended_by_hand_lets_go_at_once(ears):
    ears.silence("alertname=Payments")
    ears.hears("trigger", "Payments")
    ears.is_ended(1, later(2))
    assert ears.time_passes(later(2)) == ["declared"]


def test_under_two_silences_the_longer_one_holds(ears):
    ears.silence("alertname=Payments", minutes=10)
    ears.silence("alertname=Payments", minutes=30)
    ears.hears("trigger", "Payments")
    assert ears.kept("Payments").held_by == "S-2"
    ears.is_ended(2, later(2))
    assert ears.time_passes(later(2)) == ["silenced"]
    assert (ears.kept("Payments").held_by, ears.kept("Payments").count) == ("S-1", 1)
    assert ears.time_passes(later(10)) == ["declared"]


def test_a_silence_does_not_cover_what_is_rated_sev1_unless_it_says_so(ears):
    ears.silence("alertname=Payments")
    assert ears.hears("trigger", "Payments") == "silenced"
    assert ears.hears("trigger", "Payments", later(1), "critical") == "declared"
    assert not ears.keeps("Payments")
    ears.silence("alertname=Login", even_sev1=True)
    assert ears.hears("trigger", "Login", later(1), "critical") == "silenced"


def test_a_silence_stops_no_pages_of_what_is_an_incident_already(ears):
    ears.hears("trigger", "Shop")
    ears.silence("alertname=Shop", even_sev1=True)
    assert ears.hears("trigger", "Shop", later(1)) == "counted"
    assert ears.memory.state().live_round is not None
    assert ears.hears("trigger", "Shop", later(2), "critical") == "folded"
    assert ears.memory.state().severity is Severity.SEV1


def test_what_fires_again_under_a_silence_calls_nobody_and_its_incident_says_so_once(ears):
    ears.hears("trigger", "Shop")
    ears.hears("resolve", "Shop", later(1))
    assert ears.memory.state().live_round is None
    ears.silence("alertname=Shop", at=later(1))
    assert [ears.hears("trigger", "Shop", later(2)) for _ in range(2)] == ["silenced", "silenced"]
    assert ears.memory.state().live_round is None
    assert [line for line in ears.timeline() if "pages nobody" in line] == [
        "Note: It fires again and pages nobody: Shop fires; silenced by ana until 02 Mar 10:01 UTC (S-1): we know"
    ]
    assert ears.time_passes(later(62)) == ["folded"]
    assert ears.memory.state().round == 2


def test_a_resolved_incident_is_not_reopened_under_a_silence(ears):
    ears.hears("trigger", "Shop")
    ears.memory.apply(c.Resolve("rolled back", "person:ana", "ana"), later(1))
    ears.silence("alertname=Shop", at=later(1))
    assert ears.hears("trigger", "Shop", later(2)) == "silenced"
    assert ears.memory.state().status is Status.RESOLVED
    assert ears.time_passes(later(62)) == ["folded"]
    assert ears.memory.state().status is not Status.RESOLVED


def test_a_maintenance_window_covers_while_it_is_open():
    window = Maintenance.model_validate(
        {
            "name": "patching",
            "match": {"cluster": "eu-*"},
            "because": "kernel",
            "weekly": [{"days": ["mon"], "after": "10:00", "until": "11:00"}],
            "time_zone": "Europe/Madrid",  # 09:00 to 10:00 UTC on 2 March
        }
    )
    ears = Ears(Noise(maintenance=(window,)))
    assert ears.hears("trigger", "a", cluster="us-1") == "declared"
    assert ears.hears("trigger", "b", cluster="eu-1") == "silenced"
    assert "maintenance patching until 02 Mar 10:00 UTC: kernel" in ears.kept("b").words
    assert ears.time_passes(later(59)) == []
    assert ears.time_passes(later(60)) == ["declared"]
    assert ears.hears("trigger", "c", later(61), cluster="eu-1") == "declared"


def test_a_kept_signal_whose_sender_left_the_plan_is_unrouted_and_not_lost(ears):
    ears.silence("alertname=Payments", minutes=10)
    ears.hears("trigger", "Payments")
    plan = ears.memory.book.plan.model_copy(update={"integrations": ()})
    ears.memory.book.activate("other", plan, ears.memory.book.directory)
    assert ears.time_passes(later(10)) == ["unrouted"]
    kept = ears.memory.do(lambda tx: tx.all("SELECT dedup_key, body FROM signals"))
    assert kept == [("monitor:Payments", b"as it came")]


# --- inhibition ---


DOWN = Inhibit(when={"alertname": "ClusterDown"}, mutes={"kind": "pod"}, equal=("cluster",))


def test_while_an_alert_fires_what_it_mutes_is_kept_and_is_heard_when_it_has_recovered():
    ears = Ears(Noise(inhibit=(DOWN,)))
    ears.hears("trigger", "ClusterDown", cluster="a")
    assert ears.hears("trigger", "pod-1", later(1), kind="pod", cluster="a") == "inhibited"
    assert ears.hears("trigger", "pod-2", later(1), kind="pod", cluster="b") == "declared"
    assert ears.kept("pod-1").words == "muted while monitor:ClusterDown fires"
    assert ears.time_passes(later(30)) == ["inhibited"]
    assert ears.kept("pod-1").count == 1
    ears.hears("resolve", "ClusterDown", later(30.1), cluster="a")
    assert ears.time_passes(later(30.2)) == ["declared"]


def test_what_an_alert_mutes_is_heard_when_its_incident_ends_though_nobody_said_that_it_recovered():
    ears = Ears(Noise(inhibit=(DOWN,)))
    ears.hears("trigger", "ClusterDown", cluster="a")
    ears.hears("trigger", "pod-1", later(1), kind="pod", cluster="a")
    ears.memory.apply(c.StandDown("a test", "person:ana"), later(2))
    assert ears.time_passes(later(2.1)) == ["declared"]


def test_an_alert_that_is_silenced_itself_mutes_all_the_same():
    ears = Ears(Noise(inhibit=(DOWN,)))
    ears.silence("alertname=ClusterDown", minutes=30)
    assert ears.hears("trigger", "ClusterDown", cluster="a") == "silenced"
    assert ears.hears("trigger", "pod-1", later(1), kind="pod", cluster="a") == "inhibited"
    assert sorted(ears.time_passes(later(30))) == ["declared", "inhibited"]


def test_what_recovers_before_the_alert_that_mutes_it_is_never_heard():
    ears = Ears(Noise(inhibit=(DOWN,)))
    ears.hears("trigger", "ClusterDown", cluster="a")
    ears.hears("trigger", "pod-1", kind="pod", cluster="a")
    ears.hears("resolve", "pod-1", later(1))
    ears.hears("resolve", "ClusterDown", later(2))
    assert ears.time_passes(later(3)) == []
    assert ears.incidents() == ["INC-1"]


def test_an_alert_mutes_nothing_that_is_worse_than_itself():
    ears = Ears(Noise(inhibit=(DOWN,)))
    ears.hears("trigger", "ClusterDown", cluster="a", word="warning")
    assert ears.hears("trigger", "pod-1", word="critical", kind="pod", cluster="a") == "declared"


def test_an_alert_never_mutes_itself_nor_another_source_of_its_rule():
    ears = Ears(Noise(inhibit=(Inhibit(when={"alertname": "*"}, mutes={"alertname": "*"}),)))
    assert [ears.hears("trigger", key) for key in ("a", "b", "a")] == ["declared", "declared", "counted"]


def test_a_drill_mutes_nothing_real():
    plan = crisis_plan()
    drills = Integration(
        name="drills",
        kind="signals",
        key="drills-key-0123456789",
        routes=(Route(situation="DRILL", severity=Severity.SEV1),),
    )
    rule = Inhibit(when={"alertname": "ClusterDown"}, mutes={"kind": "pod"})
    ears = Ears(Noise(inhibit=(rule,)), plan.model_copy(update={"integrations": (*plan.integrations, drills)}))
    assert ears.hears("trigger", "ClusterDown", sender=drills) == "declared"
    assert ears.hears("trigger", "pod-1", kind="pod") == "declared"


# --- groups ---


GROUP = Noise(group=(Group(by=("service", "cluster")),))


def test_signals_whose_fields_are_equal_fold_into_one_incident_that_shows_each():
    ears = Ears(GROUP)
    fields: dict[str, Any] = {"service": "shop", "cluster": "a"}
    assert ears.hears("trigger", "latency", **fields) == "declared"
    assert ears.hears("trigger", "errors", later(5), **fields) == "grouped"
    assert ears.hears("trigger", "errors", later(6), service="shop", cluster="b") == "counted", "its key is open"
    assert ears.hears("trigger", "disk", later(6), service="shop", cluster="b") == "declared"
    assert ears.hears("trigger", "cpu", later(6), service="shop") == "declared", "a field is missing"
    assert set(ears.memory.state().signals) == {"monitor:latency", "monitor:errors"}
    assert "Another signal joined: errors fires (same service, cluster within 10m)" in ears.timeline()


def test_a_group_has_recovered_only_when_all_of_its_signals_have():
    ears = Ears(GROUP)
    for key in ("latency", "errors"):
        ears.hears("trigger", key, service="shop", cluster="a")
    ears.hears("resolve", "latency", later(1))
    assert ears.memory.state().live_round is not None
    ears.hears("resolve", "errors", later(2))
    assert ears.memory.state().live_round is None


def test_a_group_ends_with_its_time_and_with_its_incident():
    ears = Ears(GROUP)
    fields: dict[str, Any] = {"service": "shop", "cluster": "a"}
    ears.hears("trigger", "a", **fields)
    assert ears.hears("trigger", "b", later(11), **fields) == "declared"
    ears.memory.apply(c.Resolve("done", "person:ana", "ana"), later(12), "INC-2")
    assert ears.hears("trigger", "c", later(13), **fields) == "declared"
    ears.memory.apply(c.StandDown("nothing", "person:ana"), later(14), "INC-3")
    assert ears.hears("trigger", "d", later(15), **fields) == "declared"


def test_a_group_follows_its_incident_into_another():
    ears = Ears(GROUP)
    ears.hears("trigger", "other")
    ears.hears("trigger", "a", service="shop", cluster="a")
    ears.memory.apply(c.MergeInto("INC-1", "person:ana"), later(1), "INC-2")
    assert ears.hears("trigger", "b", later(2), service="shop", cluster="a") == "grouped"
    assert "monitor:b" in ears.memory.state("INC-1").signals


def test_a_worse_signal_of_a_group_raises_it_and_calls_again():
    ears = Ears(GROUP)
    ears.hears("trigger", "a", service="shop", cluster="a")
    ears.hears("trigger", "b", later(1), "critical", service="shop", cluster="a")
    state = ears.memory.state()
    assert (state.severity, state.round) == (Severity.SEV1, 2)


def test_a_signal_of_a_group_that_nobody_is_called_for_calls_again():
    ears = Ears(GROUP)
    ears.hears("trigger", "a", service="shop", cluster="a")
    ears.hears("resolve", "a", later(1))
    assert ears.memory.state().live_round is None
    assert ears.hears("trigger", "b", later(2), service="shop", cluster="a") == "grouped"
    assert ears.memory.state().live_round is not None


def test_signals_of_two_situations_are_two_incidents_whose_people_and_runbooks_differ():
    plan = crisis_plan()
    slow = plan.situations["SHOP_DOWN"].model_copy(update={"title": "Slow"})
    routes = (Route(match={"kind": "slow"}, situation="SLOW"), Route(situation="SHOP_DOWN"))
    sender = Integration(name="both", kind="signals", key="both-key-0123456789", routes=routes)
    changes = {"situations": {**plan.situations, "SLOW": slow}, "integrations": (sender,)}
    ears = Ears(Noise(group=(Group(by=("service",)),)), plan.model_copy(update=changes))
    assert ears.hears("trigger", "a", sender=sender, service="shop") == "declared"
    assert ears.hears("trigger", "b", sender=sender, service="shop", kind="slow") == "declared"
    assert ears.hears("trigger", "c", sender=sender, service="shop", kind="slow") == "grouped"


def test_a_real_signal_joins_no_group_of_a_drill():
    plan = crisis_plan()
    both = Integration(
        name="both",
        kind="signals",
        key="both-key-0123456789",
        routes=(Route(match={"drill": "yes"}, situation="DRILL"), Route(situation="SHOP_DOWN")),
    )
    ears = Ears(Noise(group=(Group(by=("service",)),)), plan.model_copy(update={"integrations": (both,)}))
    assert ears.hears("trigger", "a", sender=both, service="shop", drill="yes") == "declared"
    assert ears.hears("trigger", "b", sender=both, service="shop") == "declared"


# --- flapping ---


FLAPPING = Noise(flapping=Flapping(more_than=4, within=timedelta(minutes=15), quiet=timedelta(minutes=10)))


def flap(ears: Ears, times: int, start: float = 0) -> list[str]:
    """Fires, recovers, fires ..., a minute apart."""
    actions: list[Action] = ["trigger", "resolve"]
    return [ears.hears(actions[turn % 2], "Shop", later(start + turn)) for turn in range(times)]


def test_a_key_that_changes_too_often_is_held_as_firing_and_said_once():
    ears = Ears(FLAPPING)
    assert flap(ears, 10) == [
        "declared", "recovered", "folded", "recovered", "folded", "flapping", "flapping", "flapping", "flapping",
        "flapping",
    ]  # fmt: skip
    assert ears.memory.state().signals == {"monitor:Shop": True}
    told = [line for line in ears.timeline() if "flapping" in line]
    assert told == [
        "Note: Shop fires: flapping since 09:01 UTC, 5 changes: held as firing until it has been quiet for 10 minutes"
    ]
    assert ears.memory.state().round == 3


def test_a_flapping_key_that_is_quiet_is_what_its_sender_said_last():
    ears = Ears(FLAPPING)
    flap(ears, 10)
    assert ears.time_passes(later(18.9)) == []
    assert ears.time_passes(later(19)) == ["recovered"]
    assert not any(ears.memory.state().signals.values())
    assert any("flaps no more" in line for line in ears.timeline())
    fires = Ears(FLAPPING)
    flap(fires, 9)
    assert fires.time_passes(later(18)) == ["settled"]
    assert fires.memory.state().signals == {"monitor:Shop": True}
    assert fires.hears("resolve", "Shop", later(19)) == "recovered"


def test_a_key_that_begins_to_flap_by_firing_calls_and_says_so():
    ears = Ears(Noise(flapping=Flapping(more_than=3)))
    assert flap(ears, 7) == ["declared", "recovered", "folded", "recovered", "folded", "flapping", "flapping"]
    assert ears.memory.state().live_round is not None
    assert "Another signal joined: Shop fires (flapping since 09:01 UTC, 4 changes: held as firing until" in "\n".join(
        ears.timeline()
    )


def test_a_flapping_key_that_gets_worse_is_heard():
    ears = Ears(FLAPPING)
    flap(ears, 10)
    assert ears.hears("trigger", "Shop", later(10), "critical") == "folded"
    assert ears.memory.state().severity is Severity.SEV1
    assert ears.hears("resolve", "Shop", later(11)) == "flapping"


def test_slow_changes_are_no_flapping():
    ears = Ears(FLAPPING)
    actions: list[Action] = ["trigger", "resolve"]
    said = [ears.hears(actions[turn % 2], "Shop", later(10 * turn)) for turn in range(12)]
    assert "flapping" not in said


def test_with_flapping_switched_off_every_change_is_told():
    ears = Ears(Noise(flapping=None))
    assert "flapping" not in flap(ears, 20)


# --- storms ---


STORM = Noise(storm=Storm(more_than=5, calm=timedelta(minutes=5)))


def storm(ears: Ears, count: int, at: datetime = NOW, word: str = "warning", name: str = "Disk", first: int = 0):
    return [
        ears.hears("trigger", f"{name}-{number}", at, word, alertname=name) for number in range(first, first + count)
    ]


def test_of_a_storm_more_of_the_same_folds_into_one_incident():
    ears = Ears(STORM)
    assert storm(ears, 10) == ["declared"] * 6 + ["stormed"] * 4
    assert ears.incidents() == [f"INC-{number}" for number in range(1, 7)]
    state = ears.memory.state("INC-6")
    assert state.title == "Storm of monitor: Disk-5 fires"
    assert len(state.signals) == 5
    assert any("monitor sends more than 5 new signals a minute since 09:00 UTC" in each for each in state.because)
    assert "Another signal joined: Disk-9 fires (one of more new signals of monitor" in "\n".join(
        ears.timeline("INC-6")
    )


def test_of_a_storm_the_first_of_anything_new_is_an_incident_that_pages():
    plan = crisis_plan()
    slow = plan.situations["SHOP_DOWN"].model_copy(update={"title": "Slow"})
    ears = Ears(STORM, plan.model_copy(update={"situations": {**plan.situations, "SLOW": slow}}))
    storm(ears, 10)
    assert storm(ears, 2, name="Payments") == ["declared", "stormed"]
    assert ears.pages("INC-7") == 1
    assert storm(ears, 2, word="critical", first=10) == ["declared", "stormed"]
    assert ears.pages("INC-8") >= 1
    elsewhere = Integration(
        name="monitor",
        kind="signals",
        key="monitor-key-01234567",
        routes=(Route(situation="SLOW", severity=Severity.SEV3),),
    )
    assert ears.hears("trigger", "Disk-x", sender=elsewhere, alertname="Disk") == "declared"
    assert ears.memory.state("INC-9").situation == "SLOW"


def test_a_storm_of_one_sender_folds_nothing_of_another():
    ears = Ears(STORM)
    storm(ears, 10)
    other = ears.integration.model_copy(update={"name": "other"})
    assert ears.hears("trigger", "Disk-99", sender=other, alertname="Disk") == "declared"


def test_a_storms_incident_that_is_resolved_gives_way_to_another_that_pages():
    ears = Ears(STORM)
    storm(ears, 10)
    ears.memory.apply(c.Resolve("done", "person:ana", "ana"), later(0.5), "INC-6")
    assert storm(ears, 2, later(0.6), first=20) == ["declared", "stormed"]
    assert ears.pages("INC-7") == 1


def test_a_storm_that_is_over_says_so_and_new_keys_are_incidents_again():
    ears = Ears(STORM)
    storm(ears, 10)
    assert storm(ears, 1, later(2), first=30) == ["stormed"], "fewer now, but not yet calm"
    assert ears.time_passes(later(5)) == ["settled"]
    assert ears.timeline("INC-6")[-1] == "Note: The storm of monitor is over; 6 of its signals are shown here."
    assert storm(ears, 1, later(6), first=40) == ["declared"]


def test_without_alertnames_the_summary_without_its_numbers_says_what_is_new():
    ears = Ears(Noise(storm=Storm(more_than=3, by=("nothing",))))
    outcomes = [ears.hears("trigger", f"disk {number} %") for number in range(5)]
    assert outcomes == ["declared"] * 4 + ["stormed"]
    assert ears.hears("trigger", "payments refused") == "declared"


def test_what_lasts_longer_than_an_hour_is_new_again():
    ears = Ears(STORM)
    storm(ears, 1, later(-61))
    assert storm(ears, 6, name="Other") == ["declared"] * 6
    assert storm(ears, 2, first=5) == ["declared", "stormed"]


def test_an_incident_takes_in_a_thousand_keys_and_the_next_begins_another(ears):
    ears = Ears(Noise(group=(Group(by=("service",)),), storm=None))
    ears.hears("trigger", "first", service="shop")
    ears.memory.do(lambda tx: tx.execute("UPDATE signal_groups SET keys = 1000"))
    assert ears.hears("trigger", "second", service="shop") == "declared"
    assert ears.hears("trigger", "third", service="shop") == "grouped"
    assert "monitor:third" in ears.memory.state("INC-2").signals


# --- what is not heard again ---


def test_a_signal_with_an_end_recovers_by_itself_unless_it_is_repeated(ears):
    ears.hears("trigger", "Shop", ends_at=later(4))
    assert ears.hears("trigger", "Shop", later(3), ends_at=later(7)) == "counted"
    assert ears.time_passes(later(4)) == []
    assert ears.time_passes(later(7)) == ["recovered"]
    assert ears.memory.state().live_round is None
    assert ears.time_passes(later(8)) == []
    assert ears.hears("trigger", "Shop", later(9), ends_at=later(13)) == "folded"


def test_a_kept_signal_with_an_end_is_forgotten_when_that_has_passed(ears):
    ears.silence("alertname=Shop")
    ears.hears("trigger", "Shop", ends_at=later(4))
    assert ears.time_passes(later(5)) == ["recovered"]
    assert not ears.keeps("Shop")


def test_an_end_that_has_passed_when_it_comes_still_pages(ears):
    assert ears.hears("trigger", "Shop", ends_at=later(-30)) == "declared"
    assert ears.time_passes(later(0.9)) == []
    assert ears.time_passes(later(1)) == ["recovered"]


def test_after_a_start_senders_are_given_time_to_repeat(ears):
    ears.hears("trigger", "Shop", ends_at=later(4))
    ears.expectations._since = later(10)
    assert ears.time_passes(later(11)) == []
    assert ears.time_passes(later(12)) == ["recovered"]


def test_what_ends_in_an_incident_that_cannot_be_read_is_not_asked_for_for_ever(ears):
    ears.hears("trigger", "Shop", ends_at=later(4))
    ears.memory.do(lambda tx: tx.execute("UPDATE incidents SET quarantined = 'broken'"))
    assert ears.time_passes(later(5)) == ["dropped"]
    assert ears.time_passes(later(6)) == []


def test_facts_that_decide_nothing_any_more_are_cleared_away(ears):
    ears = Ears(Noise(inhibit=(DOWN,), group=(Group(by=("cluster",)),)))
    ears.hears("trigger", "ClusterDown", cluster="a")
    ears.silence("alertname=x", minutes=1)
    ears.hears("resolve", "ClusterDown", later(1))
    end = later(60 * 24 * 100)
    ears.memory.do(lambda tx: store.clear(tx, end, end, end))
    for table in ("signal_kinds", "signal_groups", "silences", "inhibitors"):
        assert ears.memory.do(lambda tx, table=table: tx.one(f"SELECT COUNT(*) FROM {table}")) == (0,)


def test_a_repeat_of_a_live_incident_asks_no_rule_of_noise(ears, monkeypatch):
    ears.hears("trigger", "Shop")
    statements: list[str] = []
    tx = ears.memory._tx
    monkeypatch.setattr(type(tx), "execute", _noting(type(tx).execute, statements))
    monkeypatch.setattr(type(tx), "one", _noting(type(tx).one, statements))
    monkeypatch.setattr(type(tx), "all", _noting(type(tx).all, statements))
    monkeypatch.setattr(type(tx), "many", _noting(type(tx).many, statements))
    assert ears.hears("trigger", "Shop", later(1), ends_at=later(5)) == "counted"
    assert [each.split()[0] for each in statements] == ["SELECT", "UPDATE"]


def _noting(method, statements):
    def noted(self, sql, *rest):
        statements.append(sql)
        return method(self, sql, *rest)

    return noted
