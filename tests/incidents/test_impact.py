"""The severity matrix: what answers come to, which are refused, and what an answer does to an incident."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents import commands as c
from incidents import events as e
from incidents.decide import decide, declare
from incidents.errors import CommandRefused
from incidents.evolve import fold
from incidents.impact import BY_THE_MATRIX, DONT_KNOW, MATRIX, TITLES, Row, read_answers, severity_of
from incidents.money import Money
from incidents.severity import Severity
from incidents.state import Incident
from tests.incidents.samples import START

SEV1, SEV2, SEV3, SEV4 = Severity


def answers(**given):
    return read_answers(given, MATRIX)


def rating(otherwise=SEV3, **given):
    return severity_of(answers(**given), otherwise)[0]


def declared(severity=SEV3, **given) -> Incident:
    command = c.Declare("INC-1", "Trouble", severity, "GENERIC", "v1", "person:ana", impact=answers(**given))
    incident = fold(declare(command, START))
    assert incident is not None
    return incident


def after(incident: Incident, *commands: c.Command) -> Incident:
    for minute, command in enumerate(commands, start=1):
        changed = fold(decide(incident, command, START + timedelta(minutes=minute)), incident)
        assert changed is not None
        incident = changed
    return incident


def says(**given) -> c.AnswerImpact:
    return c.AnswerImpact(answers(**given), "person:ana")


def lowered(severity: Severity) -> c.ChangeSeverity:
    return c.ChangeSeverity(severity, "it is smaller than it looked", "person:ana")


# --- the matrix ---


@pytest.mark.parametrize("row", Row)
def test_every_row_has_an_answer_for_every_severity(row):
    assert {each.severity for each in MATRIX[row].answers.values()} == set(Severity)
    assert row in TITLES


@pytest.mark.parametrize(
    ("row", "word", "severity"),
    [
        ("people", "death", SEV1),
        ("people", "injury", SEV2),
        ("customers", "25%+", SEV1),
        ("customers", "5-25%", SEV2),
        ("service", "down", SEV2),
        ("data", "suspected", SEV2),
        ("legal", "ombudsman", SEV3),
        ("money", "under-0.01%", SEV4),
    ],
)
def test_a_row_alone_is_rated_as_the_matrix_says(row, word, severity):
    assert rating(**{row: word}) is severity


def test_the_worst_answered_row_decides_and_says_so():
    severity, because = severity_of(answers(people="none", customers="5-25%", money="0.01-0.1%"), SEV4)

    assert severity is SEV2
    assert because == ("Customers hit: 5 to 25 %, or 10,000 or more (SEV2)",)


def test_rows_that_nobody_answered_do_not_count():
    assert severity_of((), SEV1) == (None, ())
    assert rating(otherwise=SEV1, service="cosmetic") is SEV4


def test_a_question_answered_dont_know_raises_one_level_and_says_so():
    severity, because = severity_of(answers(customers="0.5-5%", data=DONT_KNOW), SEV4)

    assert severity is SEV2
    assert because == ("Customers hit: 0.5 to 5 % (SEV3)", "Data: not known, so one level above SEV3")


def test_many_that_nobody_knows_raise_one_level_together():
    assert rating(customers="0.5-5%", data="dont-know", legal="dont-know", money="dont-know") is SEV2


def test_where_nothing_else_is_answered_not_knowing_counts_from_the_severity_that_there_is():
    assert rating(otherwise=SEV3, data="dont-know", money="dont-know") is SEV2


def test_nothing_is_worse_than_sev1():
    assert rating(people="death", data="dont-know") is SEV1
    assert rating(otherwise=SEV1, data="dont-know") is SEV1


@pytest.mark.parametrize("word", ["dont-know", "dont_know", " Dont-Know "])
def test_not_knowing_may_be_written_as_people_write_it(word):
    assert answers(data=word)[0].answer == DONT_KNOW


def test_what_is_not_a_question_or_an_answer_is_refused_by_name():
    with pytest.raises(CommandRefused, match=r"'reputation' is not a question .* people, customers, service"):
        answers(reputation="80")
    with pytest.raises(CommandRefused, match=r"customers: 'many' is not an answer .* 5-25%, .*dont-know"):
        answers(customers="many")


@given(
    known=st.lists(st.sampled_from([(row, word) for row in Row for word in MATRIX[row].answers]), max_size=6),
    unknown=st.sets(st.sampled_from(Row)),
    otherwise=st.sampled_from(Severity),
)
def test_whatever_is_answered_it_is_the_worst_answer_or_one_level_above(known, unknown, otherwise):
    said = {**dict(known), **dict.fromkeys(unknown, DONT_KNOW)}
    given_answers = read_answers(said, MATRIX)
    severity, because = severity_of(given_answers, otherwise)

    rated = [each.severity for each in given_answers if each.severity is not None]
    worst = min(rated, key=lambda each: each.rank, default=otherwise)
    assert severity == (None if not said else worst.one_up if unknown else worst)
    assert bool(because) == bool(said)
    assert severity_of(reversed(given_answers), otherwise)[0] is severity


# --- an incident ---


def test_answers_raise_what_is_declared_and_the_log_says_why():
    command = c.Declare("INC-1", "Trouble", SEV3, "GENERIC", "v1", "person:ana", impact=answers(people="injury"))

    first, answered, raised, round_one = declare(command, START)

    assert isinstance(first, e.IncidentDeclared)
    assert isinstance(answered, e.ImpactAnswered)
    assert isinstance(raised, e.SeverityChanged)
    assert isinstance(round_one, e.EscalationStarted)
    assert (first.severity, raised.new, raised.by) == (SEV3, SEV2, BY_THE_MATRIX)
    assert "two independent reports" in raised.because
    assert (round_one.escalation, round_one.because) == ("1", "SEV2 declared")


def test_mild_answers_lower_nothing_that_is_declared():
    incident = declared(SEV1, people="none", customers="under-0.5%")

    assert incident.severity is SEV1
    assert incident.rating[0] is SEV4
    assert incident.round == 1


def test_a_worse_answer_raises_it_and_begins_a_round():
    incident = after(declared(SEV3), says(service="down"))

    assert (incident.severity, incident.round) == (SEV2, 2)
    assert incident.live_round is not None
    assert "now SEV2: Service: a core journey is down" in incident.live_round.because


def test_a_better_answer_is_recorded_and_lowers_nothing():
    incident = after(declared(SEV3, service="down"), says(service="cosmetic"))

    assert (incident.severity, incident.round) == (SEV2, 1)
    assert incident.impact["service"].said.answer == "cosmetic"


def test_not_knowing_one_thing_more_raises_no_second_level():
    incident = after(declared(SEV4), says(data="dont-know"), says(money="dont-know"))

    assert (incident.severity, incident.round) == (SEV3, 2)


def test_the_same_answer_again_is_no_news():
    incident = declared(SEV3, service="down")

    assert decide(incident, says(service="down"), START) == []


def test_what_a_person_has_lowered_stays_low_until_something_new_is_answered():
    incident = after(declared(SEV3, people="death"), lowered(SEV3), says(money="under-0.01%"))

    assert incident.severity is SEV3
    assert after(incident, says(customers="25%+")).severity is SEV1


def test_the_same_answer_after_a_person_lowered_it_counts_again():
    incident = after(declared(SEV3, people="death"), lowered(SEV3), says(people="death"))

    assert (incident.severity, incident.round) == (SEV1, 2)


def test_not_knowing_counts_from_what_a_person_lowered_it_to():
    incident = after(declared(SEV1), lowered(SEV4), says(data="dont-know"))

    assert incident.severity is SEV3


def test_nobody_answers_for_an_incident_that_is_over():
    incident = after(declared(), c.StandDown("a test", "person:ana"))

    with pytest.raises(CommandRefused, match="stood-down"):
        decide(incident, says(service="down"), START)


# --- standing down ---


def test_only_a_person_with_a_reason_stands_an_incident_down():
    for refused in (c.StandDown(" ", "person:ana"), c.StandDown("it was nothing", "rule:anger")):
        with pytest.raises(CommandRefused, match=r"reason|Only a person"):
            decide(declared(), refused, START)


def test_it_is_kept_who_stood_it_down_and_why():
    incident = after(declared(), c.StandDown("a film of last year", "person:ana"))

    assert (incident.status, incident.stood_down_by) == ("stood-down", "person:ana")
    assert incident.stood_down_because == "a film of last year"
    assert incident.live_round is None
    again = after(incident, c.Reopen("it was this year's", "person:ana"))
    assert (again.stood_down_by, again.stood_down_because) == (None, "")


def test_customers_who_were_told_of_it_are_told_that_it_was_nothing():
    until = START + timedelta(hours=1)
    incident = after(declared(), c.PublishUpdate("customers", "We are looking into it.", until, "person:ana"))

    with pytest.raises(CommandRefused, match="Say what they are told now"):
        decide(incident, c.StandDown("a false alarm", "person:ana"), START)
    down = after(incident, c.StandDown("a false alarm", "person:ana", told="on the status page: it was nothing"))
    assert down.status == "stood-down"


def test_what_staff_were_told_keeps_nobody_from_standing_it_down():
    until = START + timedelta(hours=1)
    incident = after(declared(), c.PublishUpdate("staff", "We are looking into it.", until, "person:ana"))

    assert after(incident, c.StandDown("a false alarm", "person:ana")).status == "stood-down"


def compensated(*, decided: bool) -> Incident:
    per_customer = Money(amount=Decimal(400), currency="EUR")
    grant, able = ("up to 500", ("cleo", "dora"))
    pay = c.Compensate(
        "cleo", per_customer, "all", 9, None, "They waited for two hours.", "v1", grant, not decided, able
    )
    return after(declared(), pay)


def test_what_customers_are_paid_for_was_no_false_alarm():
    with pytest.raises(CommandRefused, match="Close it instead"):
        decide(compensated(decided=True), c.StandDown("a false alarm", "person:ana"), START)


def test_a_proposal_to_pay_is_decided_before_anybody_stands_it_down():
    with pytest.raises(CommandRefused, match="Decide it first"):
        decide(compensated(decided=False), c.StandDown("a false alarm", "person:ana"), START)
