"""The plans that ship with Tocsin load, say what domain.md asks for, and can be made one's own."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from contacts.addresses import ChannelKind, network_of
from contacts.schedules import duties, duty_at, gaps
from contacts.walltime import zone
from incidents import events as e
from incidents.errors import CommandRefused
from incidents.evolve import fold
from incidents.severity import Severity
from runbooks.forecast import forecast
from runbooks.loader import LIBRARY, LoadedPlan, load_plan
from runbooks.moves import PageContact, TellContacts
from runbooks.plan import Runbook
from runbooks.proof import Terms, prove, targets_of
from runbooks.starter import STARTER_KEYS, write_starter
from runbooks.trial import Call, Cause, trial
from signals.conditions import AboveUsual, AtLeast, Subject
from signals.listening import SourceSpec
from signals.thresholds import ThresholdsFile, compiled
from signals.topics import Topics
from signals.words import words

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "example"
MONDAY = datetime(2027, 3, 8, 12, 0, tzinfo=UTC)
"""A week of Priya's."""
WRITTEN_OUT = ["service-outage", "viral-complaint", "product-safety"]
# domain.md 2.6: common to all runbooks, with the latest minute (3.2 for the holding statement).
COMMON_STEPS = {
    "open-log": 5,
    "pause-scheduled-posts": 10,
    "holding-statement-sev1": 15,
    "holding-statement": 30,
    "position-note": 30,
    "executive-summary": 30,
    "prior-contact-sweep": 30,
    "compensation-assessment": 60,
}


@pytest.fixture(scope="module")
def library():
    return load_plan(LIBRARY)


def runbook(library: LoadedPlan, runbook_id: str) -> Runbook:
    found = library.plan.runbook(runbook_id)
    assert found is not None
    return found


def test_the_starter_plan_loads_and_says_that_its_numbers_are_invented(library):
    assert [warning.split(": ")[1] for warning in library.warnings] == [
        "37 numbers are reserved for examples and reach nobody; this is the first."
    ]


def test_the_example_plan_loads_and_says_that_it_is_a_rehearsal():
    assert [warning.split(": ", 1)[1] for warning in load_plan(EXAMPLE).warnings] == [
        "Everybody is on the console only: this plan can be rehearsed, but it cannot wake anybody."
    ]


@pytest.mark.parametrize("runbook_id", [*WRITTEN_OUT, "generic"])
def test_a_runbook_has_every_common_step_in_time(library, runbook_id):
    steps = {step.id: step for step in runbook(library, runbook_id).steps}
    for step_id, minutes in COMMON_STEPS.items():
        assert steps[step_id].within == timedelta(minutes=minutes)
        assert not steps[step_id].needs, "it counts from the declaration and waits for nothing"


@pytest.mark.parametrize("runbook_id", [*WRITTEN_OUT, "generic"])
def test_a_runbook_has_a_first_line_in_both_languages_and_what_not_to_do(library, runbook_id):
    known = runbook(library, runbook_id)
    assert set(known.first_line) == {"en", "es"}
    assert known.dont
    placeholders = [set(re.findall(r"\{[^}]+\}", line)) for line in known.first_line.values()]
    assert placeholders[0] == placeholders[1]


@pytest.mark.parametrize("runbook_id", [*WRITTEN_OUT, "generic"])
def test_every_step_belongs_to_a_role_and_asks_for_evidence(library, runbook_id):
    for step in runbook(library, runbook_id).steps:
        assert step.owner.startswith("role:")
        assert step.evidence
        assert step.say.endswith((".", "?"))


def declared(loaded: LoadedPlan, situation: str, severity: Severity):
    area = loaded.plan.situations[situation].area
    return fold(
        [
            e.IncidentDeclared(
                at=MONDAY,
                by="amara",
                id="INC-1",
                title="It is down",
                severity=severity,
                situation=situation,
                plan_version="",
                area=area,
            ),
            e.EscalationStarted(
                at=MONDAY,
                by="tocsin",
                escalation="1",
                escalation_kind=e.EscalationKind.ROUND,
                subject="1",
                because="declared",
            ),
        ]
    )


def called(loaded: LoadedPlan, situation: str, severity: Severity, at: datetime = MONDAY) -> dict[str, int]:
    """The minute in which each person is called first when nobody answers, by the real ladder."""
    area = loaded.plan.situations[situation].area
    steps = trial(
        loaded.plan.ladder_for(situation, severity),
        loaded.directory,
        Cause(severity, situation, area),
        at,
        horizon=timedelta(hours=3),
    )
    found: dict[str, int] = {}
    for step in steps:
        if isinstance(step, Call):
            found.setdefault(step.contact, int(step.after.total_seconds()) // 60)
    return found


def test_a_crisis_climbs_as_far_as_the_chair_in_25_minutes(library):
    """domain.md 2.4. Communications and Care are the crew: they are called beside the ladder."""
    assert called(library, "SERVICE_OUTAGE", Severity.SEV1) == {
        "nora": 0,
        "priya": 0,
        "tomas": 5,
        "jonas": 5,
        "ruth": 5,
        "helen": 10,
        "sofia": 15,
        "leon": 20,
        "david": 25,
        "marcus": 25,
        "margaret": 25,
    }


def test_a_crisis_has_its_crew_called_and_its_executives_told_after_five_minutes(library):
    after: dict[tuple[str, str], int] = {}
    for at, move in forecast(
        declared(library, "SERVICE_OUTAGE", Severity.SEV1), library.plan, library.directory, MONDAY
    ):
        minute = (at - MONDAY) // timedelta(minutes=1)
        match move:
            case PageContact():
                after.setdefault(("page", move.contact), minute)
            case TellContacts():
                after.update((("tell", contact), minute) for contact in move.contacts)
    assert {key: after[key] for key in after if key[1] in ("clara", "amara", "sofia", "leon")} == {
        ("page", "clara"): 5,
        ("page", "amara"): 5,
        ("tell", "sofia"): 5,
        ("tell", "leon"): 5,
    }


def test_sev2_goes_as_far_as_the_director_and_then_the_sponsor_after_30_minutes(library):
    minutes = called(library, "SERVICE_OUTAGE", Severity.SEV2)
    assert [minutes[each] for each in ("nora", "priya", "tomas", "jonas", "helen", "sofia", "leon")] == [
        *(0, 0, 5, 5, 10),
        *(30, 35),
    ]


def test_sev3_goes_through_the_area_in_steps_of_15_minutes(library):
    minutes = called(library, "CARE_COLLAPSE", Severity.SEV3)
    assert [minutes[each] for each in ("amara", "callum", "marcus", "nora")] == [0, 15, 30, 45]


@pytest.mark.parametrize("severity", Severity)
def test_every_situation_begins_with_somebody_of_its_area_or_with_whoever_answers_in_public(library, severity):
    for code, situation in library.plan.situations.items():
        ladder = library.plan.ladder_for(code, severity)
        assert {"area:*", "role:social-media"} & set(ladder.rungs[0].page), code
        assert situation.area is not None, code


def test_when_it_is_about_the_chief_executive_the_chair_and_the_general_counsel_are_left(library):
    implicated = library.directory.implicated_in(["leon"])
    left = [contact.id for contact in library.directory.contacts if contact.id not in implicated]
    assert left == ["ruth", "margaret"]


def test_minor_matters_do_not_wake_the_head_of_quality_and_still_find_somebody(library):
    night = datetime(2027, 3, 2, 2, 0, tzinfo=UTC)
    assert called(library, "PRODUCT_SAFETY", Severity.SEV3, night)["oskar"] == 0
    assert called(library, "PRODUCT_SAFETY", Severity.SEV1, night)["ines"] == 0


def test_technology_hands_over_on_monday_at_nine_and_never_leaves_a_gap(library):
    tech, second = (schedule for schedule in library.directory.schedules)
    start, end = datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
    assert not gaps(tech, start, end)
    turns = [(duty.since or start, duty.people) for duty in duties(tech, start, end)]
    assert {f"{since.astimezone(zone('Europe/London')):%a %H:%M}" for since, _ in turns[1:]} == {"Mon 09:00"}
    assert all(people != duty_at(second, since).people for since, people in turns), "the deputy is somebody else"


def test_everybody_in_the_starter_plan_is_on_the_telephone_and_on_the_internet(library):
    for contact in library.directory.contacts:
        assert {"phone", "internet"} <= {network_of(channel) for channel in contact.channels}, contact.id


@pytest.mark.parametrize("broken", ["provider:twilio", "network:phone", "network:internet"])
@pytest.mark.parametrize("severity", Severity)
def test_somebody_is_reached_in_time_with_a_provider_or_a_network_down(library, severity, broken):
    within = library.plan.cadence[severity].reach_within
    for code, situation in library.plan.situations.items():
        ladder = library.plan.ladder_for(code, severity)
        cause = Cause(severity, code, situation.area)
        steps = trial(ladder, library.directory, cause, MONDAY, [broken], within)
        assert any(isinstance(step, Call) and step.works for step in steps), code


@pytest.mark.parametrize("silent", [0, 1])
def test_the_starter_plan_can_be_proven_for_a_year_of_clock_changes(library, silent):
    """Also when the first whom it reaches does not answer."""
    terms = Terms(targets_of(library.plan, {}), silent=silent)
    proof = prove(library.plan, library.directory, MONDAY, MONDAY + timedelta(weeks=52), terms)
    assert proof.results
    assert [result.scenario.name for result in proof.failed] == []


def test_every_commented_example_can_be_put_in(tmp_path):
    """Each comment that is YAML, without its `# `: a newcomer takes the mark away and has something that loads."""
    write_starter(tmp_path)
    file = tmp_path / "contacts.yaml"
    text = file.read_text(encoding="utf-8")
    opened = re.sub(r"(?m)^( *)# ( *(?:- |[a-z_]+:(?: |$)).*)$", r"\1\2", text)
    assert opened != text
    file.write_text(opened, encoding="utf-8")

    opened_up = load_plan(tmp_path).directory
    people = {contact.id: contact for contact in opened_up.contacts}
    schedules = {schedule.id: schedule for schedule in opened_up.schedules}
    assert [absence.deputy for absence in people["nora"].absences] == ["marcus"]
    assert people["callum"].authority[0].until is not None
    assert opened_up.providers == {each: ("twilio", "backup") for each in (ChannelKind.SMS, ChannelKind.VOICE)}
    assert [each.person for each in schedules["tech"].overrides] == ["helen"]
    assert schedules["shops"].calendar
    around = schedules["security"]
    assert not gaps(around, datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC))


# What is heard

DESIGN = {
    # shared/design/detection.md: rule, its sentences, its severity
    "People talk much more than usual": (
        "mentions in 1 hour are clear above usual",
        "mentions in 15 minutes are noticeable above usual",
        "at least 30 mentions in 1 hour",
        "SEV3",
    ),
    "Anger is spreading": (
        "negative mentions in 1 hour are clear above usual",
        "negative share in 1 hour is above 40 %",
        "at least 20 mentions in 1 hour from at least 10 people",
        "SEV2",
    ),
    "Danger to people": (
        "at least 3 mentions in 1 hour about [poisoning, injury, allergy, recall]",
        "from at least 3 people",
        "SEV1",
    ),
    "Big voice against us": (
        "a negative mention by somebody with more than 100000 followers",
        "reach of negative mentions in 30 minutes is above 500000",
        "SEV2",
    ),
    "Customers left waiting": ("more than 25 complaints unanswered for longer than 2 hours", "SEV3"),
    "Shop is down and people notice": (
        "monitoring alert [checkout, login] is firing for 5 minutes",
        "complaints in 30 minutes are noticeable above usual",
        "SEV2",
    ),
}


def thresholds_of(loaded: LoadedPlan) -> ThresholdsFile:
    assert loaded.plan.thresholds is not None
    return loaded.plan.thresholds


def test_the_rules_of_the_design_ship_as_they_are(library):
    shipped = {
        rule.name: (rule.when, *rule.and_, *rule.or_, *rule.only_if, str(rule.severity))
        for rule in thresholds_of(library).rules
    }
    assert {name: shipped[name] for name in DESIGN} == DESIGN
    assert thresholds_of(library).words == {"noticeable": 3.0, "clear": 4.2, "strong": 6.0, "extreme": 10.0}


def test_all_three_streams_of_a_brand_are_held_against_what_is_usual(library):
    leading = [rule.when[0] for rule in compiled(thresholds_of(library)).rules]
    assert {each.subject for each in leading if isinstance(each, AboveUsual)} == set(Subject)


def test_customers_who_report_the_same_outrank_green_dashboards(library):
    rules = {rule.name: rule for rule in compiled(thresholds_of(library)).rules}
    (when,) = rules["Customers report the same fault"].when
    assert isinstance(when, AtLeast)
    assert (when.number, when.window, when.people, when.same_topic) == (5, timedelta(minutes=15), 5, True)
    assert set(when.topics) <= set(thresholds_of(library).topics)


def test_danger_to_people_is_called_at_night_and_has_words_in_english_and_spanish(library):
    danger = next(rule for rule in thresholds_of(library).rules if rule.name == "Danger to people")
    assert danger.quiet_hours == "ignore"
    topics = Topics(compiled(thresholds_of(library)).topics)
    for text, topic in {
        "My kettle caught FIRE last night": "injury",
        "Me dio una descarga electrica": "injury",
        "this made us sick, food poisoning": "poisoning",
        "Se intoxicó toda la familia": "poisoning",
        "my son had an allergic reaction": "allergy",
        "una reacción alérgica horrible": "allergy",
        "why has this not been recalled": "recall",
        "deberían retirar del mercado esta lámpara": "recall",
        "No puedo comprar, el carrito está vacío": "checkout",
        "I can't order anything": "checkout",
        "cannot log in any more": "login",
        "no ha llegado mi pedido": "delivery",
    }.items():
        assert topic in topics.of(words(text)), text
    for text in ("I recall a lovely lamp", "what a lovely lamp", "qué lámpara tan bonita"):
        assert topics.of(words(text)) == set(), text


def test_the_thresholds_of_the_example_are_those_of_the_starter_plan(library):
    example = load_plan(EXAMPLE).plan
    assert (example.thresholds, example.listening) == (library.plan.thresholds, library.plan.listening)


def test_what_ships_needs_no_account_anywhere(library):
    assert library.plan.listening is not None
    assert library.plan.listening.sources == ()


def test_every_commented_source_can_be_put_in(tmp_path):
    """One of each kind; the keys of those that call us are drawn for each folder."""
    write_starter(tmp_path)
    file = tmp_path / "listening.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"(?m)^# ?(sources:| {2,}\S.*|)$", r"\1", text), encoding="utf-8")
    listening = load_plan(tmp_path).plan.listening
    assert listening is not None
    assert {each.kind for each in listening.sources} == {
        kind for each in get_args(get_args(SourceSpec)[0]) for kind in get_args(each.model_fields["kind"].annotation)
    }
    keys = [each.key for each in listening.sources if each.kind in ("chatwoot", "zendesk")]
    assert len(set(keys)) == 2
    assert not set(keys) & set(STARTER_KEYS)


def test_every_number_that_ships_is_reserved_for_examples():
    for path in [*LIBRARY.rglob("*.yaml"), *EXAMPLE.rglob("*.yaml")]:
        for number in re.findall(r"\+\d{8,}", path.read_text(encoding="utf-8")):
            assert re.fullmatch(r"\+120255501\d{2}|\+447700900\d{3}", number), f"{path}: {number}"


def test_the_example_and_the_starter_plan_differ_in_the_drill_only(library):
    example = load_plan(EXAMPLE).plan
    assert set(example.situations) - set(library.plan.situations) == {"DRILL_SHOP_DOWN"}
    assert set(example.ladders) - set(library.plan.ladders) == {"drill"}
    assert {each: example.ladders[each] for each in library.plan.ladders} == library.plan.ladders
    assert {each.id for each in example.runbooks} - {each.id for each in library.plan.runbooks} == {"drill-shop-down"}
    assert example.cadence == library.plan.cadence


def test_the_people_of_the_example_are_those_of_the_starter_plan_on_the_console(library):
    example = load_plan(EXAMPLE).directory
    assert example.roles == library.directory.roles
    assert (example.areas, example.teams, example.schedules) == (
        library.directory.areas,
        library.directory.teams,
        library.directory.schedules,
    )
    for ours, theirs in zip(example.contacts, library.directory.contacts, strict=True):
        assert ours.model_copy(update={"channels": theirs.channels}) == theirs
        assert [channel.kind for channel in ours.channels] == ["console"]


def test_whoever_adds_a_telephone_to_the_example_is_called_there_and_on_the_console():
    example = load_plan(EXAMPLE).directory
    for severity, beats in example.paging.items():
        assert {"console", "push"} <= set(beats[0].by), severity


def test_the_drill_of_the_example_reaches_consoles_and_climbs_every_five_seconds():
    example = load_plan(EXAMPLE)
    assert example.plan.situations["DRILL_SHOP_DOWN"].drill
    ladders = {example.plan.ladder_for("DRILL_SHOP_DOWN", severity).rungs for severity in Severity}
    assert len(ladders) == 1
    assert {rung.wait for rung in ladders.pop()} == {timedelta(seconds=5)}
    assert all(contact.channels_for(drill=True) for contact in example.directory.contacts)


def test_the_starter_can_be_written_and_loaded(tmp_path):
    written = write_starter(tmp_path / "plan")
    assert sorted(path.relative_to(tmp_path / "plan").as_posix() for path in written) == [
        "contacts.yaml",
        "listening.yaml",
        "plan.yaml",
        "runbooks/generic.yaml",
        "runbooks/product-safety.yaml",
        "runbooks/service-outage.yaml",
        "runbooks/viral-complaint.yaml",
        "schemas/contacts.schema.json",
        "schemas/listening.schema.json",
        "schemas/plan.schema.json",
        "schemas/runbook.schema.json",
        "schemas/thresholds.schema.json",
        "thresholds.yaml",
    ]
    assert load_plan(tmp_path / "plan").plan.company == "Larkfield Home"


def test_every_starter_has_keys_of_its_own(tmp_path):
    for name in ("one", "two"):
        write_starter(tmp_path / name)
    one, two = ({each.key for each in load_plan(tmp_path / name).plan.integrations} for name in ("one", "two"))
    assert len(one | two) == 6
    assert not (one | two) & set(STARTER_KEYS)
    assert {len(key) for key in one | two} == {32}


def test_the_editor_finds_the_schema_of_every_file(tmp_path):
    write_starter(tmp_path)
    for path in [*tmp_path.rglob("*.yaml"), *LIBRARY.rglob("*.yaml"), *EXAMPLE.rglob("*.yaml")]:
        first_line = path.read_text(encoding="utf-8").splitlines()[0]
        schema = first_line.removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / schema).is_file(), f"{path}: {first_line}"


@pytest.mark.parametrize("name", ["plan.yaml", "contacts.yaml", "runbooks/generic.yaml", "schemas/plan.schema.json"])
def test_a_folder_that_has_one_of_the_files_is_left_alone(tmp_path, name):
    theirs = tmp_path / name
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("ours")
    with pytest.raises(CommandRefused, match=re.escape(f"Nothing was written, for this would replace {theirs}.")):
        write_starter(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [theirs]
    assert theirs.read_text() == "ours"
