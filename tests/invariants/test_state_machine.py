"""Anything in any order: signals, answers, delivery reports, commands, time. The invariants of architecture.md hold."""

import itertools
import os
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contacts.addresses import ChannelKind
from contacts.directory import Role
from contacts.schedules import Layer, Schedule, Window
from incidents import commands as c
from incidents import events as e
from incidents.errors import CommandRefused
from incidents.evolve import fold
from incidents.impact import DONT_KNOW, MATRIX, Row, read_answers
from incidents.money import NoCompensationReason
from incidents.severity import Severity
from incidents.state import Incident, Status
from runbooks.next_moves import next_moves
from tests.support.memory import Memory
from tests.support.plans import beat, crisis_plan, decision, eur, everybody, rung, someone, step

PEOPLE = everybody(
    someone("bob", "sms"), someone("cleo", "console", "sms"), someone("dora", "sms", "voice", drills=True)
)
PLANS = [
    crisis_plan(rung("ana"), rung("bob", "cleo"), last=("dora",), executives=("cleo",), summary_every="30m"),
    crisis_plan(
        rung("ana", wait="2m", repeat="1m"),
        rung("ghost"),
        rung("bob", wait="20s"),
        last=("cleo", "dora"),
        machine_ack="stops",
        steps=(step("look", within="10m"), step("mend", owner="bob", needs=("look",), within="15m", evidence="what")),
        decisions=(decision("recall", decider="cleo", within="1h"),),
        update_every="20m",
        compensation_within="3h",
    ),
]
# Two providers, several addresses at once, somebody on duty by day only, roles that each want an answer.
MANY_WAYS = everybody(
    someone("bob", "push", "sms", "sms-2"),
    someone("cleo", "console", "sms", reports_to="ana"),
    someone("dora", "sms", "voice", "email", drills=True),
    providers={ChannelKind.SMS: ("twilio", "backup"), ChannelKind.VOICE: ("twilio", "backup")},
    paging={Severity.SEV1: (beat("push", "sms"), beat("voice", after="1m", every="1m", times=2))},
    schedules=(
        Schedule(
            id="day",
            title="By day",
            layers=(Layer(people=("bob",), start="2026-01-05", only=(Window(after="10:00", until="18:00"),)),),
        ),
    ),
    roles=(Role(id="press", title="Press", responsible="cleo", deputy="bob"),),
)
DIRECTORIES = [PEOPLE, PEOPLE, MANY_WAYS]
PLANS.append(
    crisis_plan(
        rung("schedule:day", "ana", tell=("cleo",)),
        rung("schedule:day"),
        rung("bob", "role:press"),
        last=("dora",),
        crew=("role:press",),
        ack_expires="20m",
    )
)
NAMES = ("ana", "bob", "cleo", "dora")
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

people = st.sampled_from(NAMES)
severities = st.sampled_from(list(Severity))
words = st.sampled_from(["", "because it has to be so, says the auditor"])


class Crisis(RuleBasedStateMachine):
    """One incident at a time, from its declaration on, through the real door."""

    @initialize(plan=st.sampled_from([0, 1, 2]), severity=severities, drill=st.booleans())
    def declared(self, plan, severity, drill):
        self.now = START
        self.memory = Memory(PLANS[plan], DIRECTORIES[plan], START)
        if drill:
            change = self.memory.declare(self.now, severity=severity, drill=True)
        else:
            word = {Severity.SEV1: "critical", Severity.SEV2: "error", Severity.SEV3: "warning", Severity.SEV4: "info"}
            heard = self.memory.hears("trigger", "ShopDown", self.now, word[severity])
            assert heard.change is not None
            change = heard.change
        # Invariant 1: the first page and its row are in the declaration's own commit.
        assert any(isinstance(event, e.PageRequested) for event in change.events)
        assert {row.state for row in self.memory.rows() if row.kind == "page"} == {"pending"}

    # --- what happens ---

    @rule(seconds=st.sampled_from([0, 1, 20, 61, 300, 900, 7200]))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.memory.perform(self.now)
        assert self.memory.perform(self.now).performed == []

    @rule(name=st.sampled_from(["ShopDown", "Slow"]), word=st.sampled_from(["critical", "warning", None]))
    def monitor_triggers(self, name, word):
        heard = self.memory.hears("trigger", name, self.now, word)
        assert heard.incident is not None
        state = self.memory.state(heard.incident)
        # Invariant 1: accepted while nobody has taken it: people are being called.
        assert state.commander is not None or (state.live_round is not None and state.live_round.pages)

    @rule(name=st.sampled_from(["ShopDown", "Slow"]), action=st.sampled_from(["resolve", "acknowledge"]))
    def monitor_says(self, name, action):
        before = self.memory.state()
        self.memory.hears(action, name, self.now)
        assert self.memory.state().commander == before.commander

    @rule(who=people, which=st.integers(0, 40))
    def somebody_answers(self, who, which):
        self.tries(c.Acknowledge(who, "sms", message_id=self.page(which)))

    @rule(who=people, which=st.integers(0, 40), escalates=st.booleans())
    def somebody_passes(self, who, which, escalates):
        self.tries(c.Pass(who, escalates, message_id=self.page(which)))

    @rule(which=st.integers(0, 40))
    def the_pager_claims(self, which):
        waiting = [row for row in self.memory.rows() if row.state == "pending"]
        for row in waiting[which : which + 1]:
            claimed = self.memory.claim(row.message_id, self.now)
            # Invariant 4: nothing is claimed for a ladder that somebody has answered.
            live = {each.id for each in self.memory.state().live_escalations}
            assert all(each.escalation is None or each.escalation in live for each in claimed)

    @rule(which=st.integers(0, 40), said=st.sampled_from(["sent", "delivered", "proven"]))
    def the_provider_has_it(self, which, said):
        report: c.Command
        match said, self.page(which) or "":
            case "sent", message:
                report = c.RecordSent(message, "SM1", "provider:sms")
            case "delivered", message:
                report = c.RecordDelivered(message, "provider:sms")
            case _, message:
                report = c.RecordProven(message, "SM1", "provider:sms")
        self.tries(report)

    @rule(which=st.integers(0, 40), failure=st.sampled_from(list(e.PageFailure)))
    def the_page_fails(self, which, failure):
        message = self.page(which)
        if message is None:
            return
        known = self.memory.state().pages[message].failure
        self.tries(c.RecordFailed(message, failure, "", "provider:sms"))
        if known is None:
            self.it_moved_on(self.memory.state(), message)

    @rule(severity=severities, because=words, by=st.sampled_from(["person:ana", "rule"]))
    def severity_changes(self, severity, because, by):
        self.tries(c.ChangeSeverity(severity, because, by))

    @rule(row=st.sampled_from(Row), which=st.integers(0, 5), who=people)
    def somebody_answers_for_the_impact(self, row, which, who):
        said = [*MATRIX[row].answers, DONT_KNOW]
        answers = read_answers({row: said[which % len(said)]}, MATRIX)
        before = self.memory.state().severity
        self.tries(c.AnswerImpact(answers, f"person:{who}"))
        assert not before.is_worse_than(self.memory.state().severity)

    @rule(text=words, who=people)
    def somebody_resolves(self, text, who):
        self.tries(c.Resolve(text, f"person:{who}", who))

    @rule(
        what=st.sampled_from(["confirm", "reopen", "stand-down", "close", "inform", "note", "update", "hand-over"]),
        text=words,
    )
    def somebody_commands(self, what, text):
        by = "person:ana"
        commands: dict[str, c.Command] = {
            "confirm": c.ConfirmRecovery(text, by),
            "reopen": c.Reopen(text, by),
            "stand-down": c.StandDown(text, by),
            "close": c.Close(by),
            "inform": c.InformCustomers("e-mail", text, by),
            "note": c.AddNote(text, by),
            "update": c.PublishUpdate("customers", text, self.now + timedelta(minutes=20), by),
            "hand-over": c.HandOver("bob", text, by),
        }
        self.tries(commands[what])

    @rule(which=st.integers(0, 3), done=st.booleans(), text=words)
    def a_step_ends(self, which, done, text):
        for name in list(self.memory.state().steps)[which : which + 1]:
            self.tries(c.CompleteStep(name, text, "person:bob") if done else c.SkipStep(name, text, "person:bob"))

    @rule(choice=st.sampled_from(["yes", "no", "perhaps"]), text=words)
    def somebody_decides(self, choice, text):
        self.tries(c.Decide("recall", choice, text, "person:cleo"))

    @rule(who=people, amount=st.sampled_from([None, "20", "400"]), document=st.sampled_from(["v1", "v2"]), text=words)
    def somebody_wants_to_pay(self, who, amount, document, text):
        per_customer = None if amount is None else eur(amount)
        reason = NoCompensationReason.TRIVIAL_IMPACT if amount is None else None
        grant = "up to 500" if who in ("cleo", "dora") else None
        self.tries(
            c.Compensate(who, per_customer, "all", 9, reason, text, document, grant, amount == "400", ("cleo", "dora"))
        )

    @rule(who=people, document=st.sampled_from(["v1", "v2"]))
    def somebody_approves(self, who, document):
        grant = "up to 500" if who in ("cleo", "dora") else None
        self.tries(c.ApproveCompensation(who, document, grant, ("cleo", "dora")))

    @rule(
        who=people,
        about=st.sampled_from(["money", "text", "other"]),
        silent=st.sampled_from(["no", "yes"]),
        minutes=st.sampled_from([-1, 5, 60]),
    )
    def somebody_asks_an_executive(self, who, about, silent, minutes):
        until = self.now + timedelta(minutes=minutes)
        self.tries(c.AskQuestion("Close all shops?", about, (who, "dora"), until, silent, "person:bob"))

    @rule(who=people, answer=st.sampled_from(["yes", "no", "call"]))
    def an_executive_answers(self, who, answer):
        grant = "up to 500" if who in ("cleo", "dora") else None
        self.tries(c.AnswerQuestion(who, answer, "sms", grant=grant, who_can=("cleo", "dora")))

    @rule(who=st.sampled_from([("ana", "cleo"), ("bob",)]), because=words)
    def somebody_is_implicated(self, who, because):
        self.tries(c.Implicate(who, because, "person:dora"))

    # --- how ---

    def page(self, which: int) -> str | None:
        """One of the pages of INC-1, old or new."""
        pages = list(self.memory.state().pages)
        return pages[-1 - which % len(pages)] if pages else None

    def tries(self, command: c.Command) -> None:
        before, rows = self.memory.events(), self.memory.rows()
        try:
            self.memory.apply(command, self.now)
        except CommandRefused as refused:
            sentence = str(refused)
        else:
            return
        # Invariant 13: a clear sentence, and nothing has changed.
        assert sentence.endswith((".", ":", "?")) or ":" in sentence
        assert (self.memory.events(), self.memory.rows()) == (before, rows)

    def it_moved_on(self, state: Incident, message: str) -> None:
        """Invariant 7: somebody else, or another channel, is tried at once; at the very end within half a minute."""
        failed = state.pages[message]
        escalation = state.escalations[failed.escalation]
        if not (failed.failed and escalation.live and state.status.is_open):
            return
        others = [state.pages[each] for each in escalation.pages]
        moved_on = any(each.rung > failed.rung or (each.rung == failed.rung and not each.failed) for each in others)
        look = next_moves(state, self.memory.book.plan, self.memory.book.directory, self.now)
        soon = look.wake_at is not None and look.wake_at <= self.now + timedelta(seconds=30)
        assert moved_on or soon or look.due, f"{failed} failed and nothing follows"

    # --- what always holds ---

    @invariant()
    def nothing_of_an_answered_ladder_can_still_leave(self):
        """Invariant 4."""
        live = {each.id for each in self.memory.state().live_escalations}
        waiting = {
            row.escalation for row in self.memory.rows() if row.state == "pending" and row.escalation is not None
        }
        assert waiting <= live

    @invariant()
    def it_never_ends_in_silence(self):
        """Invariant 5: while a round is live, a page is on its way or there is a moment for the next one."""
        state = self.memory.state()
        if state.live_round is None or not state.status.is_open:
            return
        pages = [state.pages[each] for each in state.live_round.pages]
        on_its_way = any(page.departed_at is None for page in pages)
        moves = next_moves(state, self.memory.book.plan, self.memory.book.directory, self.now)
        assert on_its_way or moves.due or moves.wake_at is not None

    @invariant()
    def severity_falls_only_by_a_person_with_a_reason(self):
        """Invariant 8."""
        for event in self.memory.events():
            if isinstance(event, e.SeverityChanged) and event.old.is_worse_than(event.new):
                assert event.by.startswith("person:")
                assert event.because.strip()

    @invariant()
    def closed_means_resolved_decided_and_told(self):
        """Invariant 9."""
        state = self.memory.state()
        if state.status is Status.CLOSED:
            assert state.resolved_at is not None
            assert state.confirmed_at is not None
            assert state.compensation is not None
            assert state.compensation.decided_by
            assert state.informed_at is not None

    @invariant()
    def only_people_with_authority_decide_about_money_and_words(self):
        """Invariant 10."""
        proposals: dict[str, str] = {}
        for event in self.memory.events():
            match event:
                case e.CompensationProposed():
                    proposals = {event.document: event.requester}
                case e.CompensationDecided():
                    assert event.by == f"person:{event.decided_by}"
                    assert event.decided_by in ("cleo", "dora")
                    if event.per_customer == eur("400"):
                        assert event.requester != event.decided_by
                        assert proposals[event.document] == event.requester
                case e.UpdatePublished() | e.DecisionMade() | e.CustomersInformed():
                    assert event.by.startswith("person:")

    @invariant()
    def silence_approves_neither_money_nor_text(self):
        """Invariant 10, for questions: a yes is a person's word, or the plan for silence about something else."""
        for event in self.memory.events():
            if isinstance(event, e.QuestionExpired) and event.outcome == "yes":
                assert self.memory.state().questions[event.question].about == "other"
            if isinstance(event, e.QuestionAnswered):
                assert event.by == f"person:{event.contact}"

    @invariant()
    def nobody_who_is_left_out_is_called_or_told(self):
        left_out: set[str] = set()
        for event in self.memory.events():
            if isinstance(event, e.ContactsImplicated):
                left_out |= set(event.contacts)
            elif isinstance(event, e.PageRequested | e.NoticeQueued):
                assert event.contact not in left_out
        waiting = {row.contact for row in self.memory.rows() if row.state == "pending" and row.kind != "summary"}
        assert not waiting & left_out

    @invariant()
    def no_person_is_paged_by_two_providers_for_what_may_have_arrived(self):
        """The other provider of an address goes only when the first one certainly failed, or is marked as a copy."""
        state = self.memory.state()
        for page in state.pages.values():
            before = state.pages.get(page.instead_of or "")
            if before is not None and (before.channel, before.line) == (page.channel, page.line):
                assert page.possible_duplicate or page.provider != before.provider

    @invariant()
    def a_drill_reaches_nobody_who_did_not_opt_in(self):
        """Invariant 11."""
        if self.memory.state().drill:
            assert all(row.channel == "console" or row.contact == "dora" for row in self.memory.rows())

    @invariant()
    def every_message_is_in_the_log(self):
        """Invariant 12: what is in the outbox, for whom and about what, an event says."""
        logged = set()
        for event in self.memory.events():
            match event:
                case e.PageRequested() | e.NoticeQueued():
                    logged.add(event.message_id)
                case e.SummaryIssued() | e.UpdatePublished():
                    logged.update(event.messages)
        assert {row.message_id for row in self.memory.rows()} <= logged

    @invariant()
    def the_log_is_the_truth(self):
        """The fold of the stored log is the state; versions count events; times never decrease."""
        log = self.memory.events()
        state = self.memory.state()
        again = [e.decode(e.stored_kind(event), e.SCHEMA, e.encode(event)) for event in log]
        assert again == log
        assert fold(again) == state
        assert state.version == len(log)
        assert all(earlier.at <= later.at for earlier, later in itertools.pairwise(log))


_IN_CI = os.environ.get("CI", "").lower() in {"true", "1"}
Crisis.TestCase.settings = settings(
    max_examples=300 if _IN_CI else 40,
    stateful_step_count=40 if _IN_CI else 25,
    deadline=None,
    derandomize=not _IN_CI,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestCrisis = Crisis.TestCase
