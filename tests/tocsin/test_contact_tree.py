"""The contact tree on paper: everybody is on it, nothing secret is, and no page overflows."""

import io
import re
from datetime import UTC, date, datetime, timedelta

import pypdf
import pytest
from reportlab.pdfbase import pdfmetrics

from contacts.addresses import AppriseChannel, ConsoleChannel, EmailChannel, SmsChannel, VoiceChannel, WebhookChannel
from contacts.directory import Absence, Area, Authority, Contact, Directory, Role, Team
from contacts.schedules import Layer, Schedule
from incidents.severity import Severity
from runbooks.plan import Ladder
from tests.support.plans import authority, crisis_plan, rung
from tocsin.contact_paper import as_pdf
from tocsin.contact_tree import as_text, contact_tree

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
VERA = (("Vera.ttf", "VeraBd.ttf"),)


def number(index):
    return f"+44770090{index:04d}"


def spaced(index):
    return f"+44 7700 90{index:04d}"


def somebody(index, name, **more):
    to = number(index)
    channels = (SmsChannel(kind="sms", to=to, verified=date(2026, 11, 20)), VoiceChannel(kind="voice", to=to))
    return Contact(id=f"p{index}", name=name, **{"channels": channels, **more})


NORA = somebody(
    1,
    "Nóra Łukasz-Muñoz",
    deputy="p2",
    authority=(authority("500", "9000"), Authority(may="recall", granted_by="the board")),
    absences=(Absence(starts="2026-12-24", ends="2027-01-02"),),
)
BOB = somebody(
    2,
    "Bob",
    channels=(
        EmailChannel(kind="email", to="bob@shop.example"),
        WebhookChannel(kind="webhook", to="https://hooks.shop.example/T0/SECRET-PATH?key=SECRET"),
        AppriseChannel(kind="apprise", to="bobs-matrix"),
        ConsoleChannel(kind="console", to="bob"),
    ),
)
CLEO = somebody(3, "Cleo")
PEOPLE = Directory(
    contacts=(NORA, BOB, CLEO),
    roles=(Role(id="desk", title="Duty desk", responsible="p1", deputy="p2"),),
    areas=(Area(id="tech", title="Technology", responsible="schedule:tech", deputy="p3"),),
    teams=(Team(id="pay", title="Payments", members=("p1", "p2")),),
    schedules=(
        Schedule(id="tech", title="On call for technology", layers=(Layer(people=("p1", "p3"), start="2026-11-23"),)),
    ),
)
LADDERS = {
    "fast": Ladder(
        rungs=(rung("role:desk", "p3", wait="5m"), rung("schedule:tech", wait="20m"), rung("team:pay", wait="5m")),
        in_extremis=("area:tech/deputy",),
        crew=("role:desk",),
    ),
    "slow": Ladder(rungs=(rung("area:*/second-deputy", wait="1h"),), in_extremis=("p1",)),
}


def plan():
    severities = {Severity.SEV1: "fast", Severity.SEV2: "fast", Severity.SEV3: "slow", Severity.SEV4: "slow"}
    usual = crisis_plan()
    situations = {code: each.model_copy(update={"ladder": {}}) for code, each in usual.situations.items()}
    return usual.model_copy(update={"ladders": LADDERS, "severities": severities, "situations": situations})


def tree(people=PEOPLE):
    return contact_tree(plan(), people, NOW)


def sheets(people=PEOPLE):
    """Title -> the sheet's letters, as one line."""
    text = as_text(tree(people)).split("\f")
    return {page.splitlines()[0].split(": ", 1)[1]: " ".join(page.split()) for page in text}


def pages(people=PEOPLE, **more):
    read = pypdf.PdfReader(io.BytesIO(as_pdf(tree(people), **more).pdf))
    return [" ".join(page.extract_text().split()) for page in read.pages]


# --- what is on it ---


def test_each_team_has_a_sheet_and_whoever_is_in_none_stands_on_the_last():
    assert [*sheets()] == ["Who is called", "Roles and areas", "On duty", "Payments", "Without a team"]
    assert "Cleo" in sheets()["Without a team"]
    assert "Cleo" not in sheets()["Payments"]
    assert [*sheets(Directory(contacts=(CLEO,)))][-1] == "Everybody"


def test_a_person_stands_there_with_numbers_roles_deputy_authority_and_absences():
    card = sheets()["Payments"]

    for said in (
        "Nóra Łukasz-Muñoz (UTC, speaks en)",
        f"SMS, Phone {spaced(1)} (Phone unproven)",
        "Is Duty desk",
        "Deputy Bob",
        "May decide compensation: 500 EUR a customer, 9000 EUR in total, granted by the board",
        "May decide recall: granted by the board",
        "Away 2026-12-24 00:00 UTC to 2027-01-03 00:00 UTC, call Bob",
        "Mail bob@shop.example (unproven)",
        "Apprise bobs-matrix",
        "Is Duty desk, deputy",
    ):
        assert said in card, card


def test_a_ladder_says_who_is_called_after_how_long_and_at_which_number():
    ladder = sheets()["Who is called"]

    for said in (
        "Ladder fast for SEV1; SEV2",
        f"at once Duty desk: Nóra Łukasz-Muñoz {spaced(1)}, or Bob Cleo {spaced(3)}",
        "+5m On call for technology: whoever is on duty (see On duty: On call for technology)",
        f"+25m Payments: Nóra Łukasz-Muñoz {spaced(1)}, Bob",
        f"+30m Technology, deputy: Cleo {spaced(3)} Then these last ones again every 5m",
        "Ladder slow for SEV3; SEV4",
        "at once The area that is hit, second deputy: see Roles and areas",
    ):
        assert said in ladder, ladder


def test_duties_are_printed_as_long_as_the_paper_is_good_and_a_gap_is_called_nobody():
    duty = sheets()["On duty"]
    assert f"now to Mon 30 Nov 2026 00:00: Nóra Łukasz-Muñoz {spaced(1)}" in duty
    assert f"Mon 21 Dec 2026 00:00 to Thu 24 Dec 2026 (end of this paper): Cleo {spaced(3)}" not in duty
    assert "to Thu 24 Dec 2026 (end of this paper)" in duty

    later = Schedule(id="tech", title="Later", layers=(Layer(people=("p1",), start="2026-12-01"),))
    assert (
        "now to Tue 01 Dec 2026 00:00: NOBODY" in sheets(PEOPLE.model_copy(update={"schedules": (later,)}))["On duty"]
    )


def test_a_rota_of_many_turns_says_how_many_are_left_out():
    hourly = Schedule(
        id="tech", title="Hourly", layers=(Layer(people=("p1", "p3"), rotate=timedelta(hours=1), start="2026-11-01"),)
    )

    assert re.search(
        r"and \d+ more turns until Thu 24 Dec 2026",
        sheets(PEOPLE.model_copy(update={"schedules": (hourly,)}))["On duty"],
    )


def test_nothing_secret_is_printed():
    everything = as_text(tree()) + "".join(pages())

    assert "https://hooks.shop.example/..." in everything
    assert "SECRET" not in everything


def test_every_page_says_which_plan_it_is_and_until_when_it_is_good():
    made = tree()
    every = pages()

    assert re.fullmatch(r"plan [0-9a-f]{12}, contacts [0-9a-f]{12}", made.version)
    foot = f"Printed on paper Tue 24 Nov 2026 14:05 UTC: valid until Thu 24 Dec 2026 ({made.version})."
    assert all(foot in page for page in every)
    assert [f"Page {index} of {len(every)}" in page for index, page in enumerate(every, 1)] == [True] * len(every)
    other = PEOPLE.model_copy(update={"contacts": (NORA, BOB, somebody(4, "Cleo"))})
    assert tree(other).version != made.version


# --- the paper ---


@pytest.mark.parametrize("families", [None, VERA])
def test_the_pdf_says_what_the_letters_say(families):
    given = {} if families is None else {"families": families}
    every = pages(**given)

    assert len(every) == 5
    for sheet, page in zip(sheets().values(), every, strict=True):
        plain = re.sub(r"[()=]", "", sheet)
        missing = [word for word in plain.split() if word not in page.replace("(", "").replace(")", "")]
        assert missing == []


def test_a_letter_that_the_font_lacks_loses_its_mark_and_one_hears_of_it():
    people = Directory(contacts=(somebody(1, "Őry Žofie Łucja 日"),))
    paper = as_pdf(tree(people), VERA)

    assert "Ory Žofie Łucja ?" in " ".join(pypdf.PdfReader(io.BytesIO(paper.pdf)).pages[-1].extract_text().split())
    assert paper.missing == "Ő日"


def test_a_team_of_seven_has_one_page_and_one_of_forty_goes_on_with_nobody_lost():
    def page_titles(count):
        crowd = tuple(somebody(index, f"Person {index:03d}") for index in range(1, count + 1))
        team = Team(id="all", title="All of us", members=tuple(each.id for each in crowd))
        every = [page for page in pages(Directory(contacts=crowd, teams=(team,))) if "All of us" in page]
        text = " ".join(every)
        assert all(f"Person {index:03d}" in text and spaced(index) in text for index in range(1, count + 1))
        return ["(continued)" in page for page in every]

    assert page_titles(7) == [False]
    assert page_titles(40)[0] is False
    assert all(page_titles(40)[1:])
    assert len(page_titles(40)) > 2


def test_nobody_is_cut_in_two_unless_one_page_is_not_enough_for_them():
    crowd = tuple(somebody(index, f"Person {index:03d}") for index in range(1, 41))
    for page in pages(Directory(contacts=crowd)):
        assert page.count("Person ") == page.count("SMS, Phone") or "Who is called" in page

    long = somebody(1, "Long", authority=tuple(Authority(may="recall", granted_by=f"body {n:03d}") for n in range(150)))
    every = [page for page in pages(Directory(contacts=(long,))) if "Everybody" in page]
    assert len(every) > 1
    assert len(re.findall(r"body \d{3}", every[0])) > 10
    assert len(re.findall(r"body \d{3}", " ".join(every))) == 150


def test_nothing_is_drawn_beyond_the_edge_even_of_words_that_have_no_space():
    people = Directory(
        contacts=(somebody(1, "W" * 80, channels=(EmailChannel(kind="email", to=f"{'m' * 60}@{'w' * 180}.example"),)),),
        roles=(Role(id="r", title="T" * 300, responsible="p1"),),
    )
    read = pypdf.PdfReader(io.BytesIO(as_pdf(tree(people), VERA).pdf))
    beyond = []

    def look(text, _, matrix, font, size):
        for line in text.splitlines():
            width = pdfmetrics.stringWidth(line, VERA[0]["Bold" in font["/BaseFont"]], size)
            if line.strip() and not (matrix[4] >= 42 and matrix[4] + width <= 554):
                beyond.append(line)

    for page in read.pages:
        page.extract_text(visitor_text=look)
    letters = "".join(page.extract_text() for page in read.pages)
    assert beyond == []
    assert letters.count("W") == 3 * 80 + 1  # the ladder, the role, the card; and the W of Who


def test_the_same_tree_gives_the_same_bytes():
    assert as_pdf(tree()).pdf == as_pdf(tree()).pdf
