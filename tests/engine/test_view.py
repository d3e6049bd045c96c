"""What is shown of an incident beside its log: impact rows that nobody answered, and the social score."""

from datetime import timedelta

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from engine.view import incident_view
from incidents import commands as c
from incidents.decide import declare
from incidents.evolve import fold
from incidents.impact import read_answers
from incidents.severity import Severity
from signals.social_score import Authority, SocialScore, Topic, Window, social_score
from tests.incidents.samples import START
from tests.support.counterparties import ROOT
from tests.support.plans import crisis_plan, everybody
from tocsin import words
from tocsin.screen import incident_screen
from tocsin.web.sessions import Visitor

STORM = Window(
    mentions=60,
    usual=10.0,
    in_hour=120,
    doubling=timedelta(minutes=50),
    negative_share=0.6,
    authority=Authority.MICRO_INFLUENCER,
    topic=Topic.SERVICE,
)


def shown(social: SocialScore | None = None) -> dict[str, object]:
    plan = crisis_plan()
    answers = read_answers({"customers": "0.5-5%"}, plan.matrix)
    command = c.Declare("INC-1", "Shop down", Severity.SEV3, "SHOP_DOWN", "v1", "person:ana", impact=answers)
    events = declare(command, START)
    incident = fold(events)
    assert incident is not None
    return incident_view(incident, plan, everybody(), events, START, social)


def test_every_row_of_the_matrix_is_there_answered_or_not():
    rows = {row["question"]: row["answer"] for row in shown()["impact"]}  # type: ignore[attr-defined]  # it is a list

    assert rows == {
        "people": None, "customers": "0.5-5%", "service": None, "data": None, "legal": None, "money": None,
    }  # fmt: skip


def test_the_score_is_shown_with_a_sentence_a_part_and_nothing_else_changes():
    with_it, without = shown(social_score(STORM, STORM)), shown()

    assert without["social"] is None
    assert {name: value for name, value in with_it.items() if name != "social"} == {
        name: value for name, value in without.items() if name != "social"
    }
    text = "\n".join(incident_screen(with_it, {}, START, 100))
    assert "Social score 55 of 100, for information only." in text
    assert "Velocity: doubles in 50 minutes: 0.75." in text


def page_of(view: dict[str, object]) -> str:
    templates = Environment(
        loader=FileSystemLoader(ROOT / "tocsin" / "web" / "templates"), autoescape=True, undefined=StrictUndefined
    )
    return templates.get_template("incident.html").render(
        view={**view, "changes": (), "customers": {"cases": 3, "waiting": 1}},
        reasons=(),
        refusal=None, bottom_line="", in_hand="", calls=(), asked=(), titles={}, lines=(), timeline=(), now=START,
        words=words, names={}, visitor=Visitor("ana", session="s"), form="", banner=None, company="Larkfield",
    )  # fmt: skip


def test_the_page_joins_sentences_as_sentences_and_other_words_by_a_semicolon():
    because = ["calls", "Many write: 4 mentions (at least 3).", "Big voice."]

    assert "<dd>calls; Many write: 4 mentions (at least 3). Big voice.</dd>" in page_of({**shown(), "because": because})


def test_the_page_shows_the_score_too():
    page = page_of(shown(social_score(STORM, None)))

    assert "Social score between 0 and 55 of 100, for information only." in page
    assert "The window before is not known." in page
    assert "3 customers have complained; 1 of them waits for an answer." in page
