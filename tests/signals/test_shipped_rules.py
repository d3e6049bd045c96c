"""Every rule that ships with Tocsin is seen to raise, and says why; and when it does not."""

from typing import Any

import pytest

from incidents.severity import Severity
from runbooks.loader import LIBRARY, load_plan
from signals.detector import Detector, Finding
from signals.observation import AlertHeard, Heard, Observation, number_of
from signals.rules import SOURCES
from signals.thresholds import compiled

FILE = load_plan(LIBRARY).plan.thresholds
assert FILE is not None
RULES = compiled(FILE)
BEGIN = 27_000_000
"""A minute that begins an hour."""
BURST = BEGIN + 60 * 50
"""Two days and two hours of the usual come before."""


class Story:
    """A brand after two usual days: ten mentions an hour, two of them negative, one a complaint; all are answered."""

    def __init__(self) -> None:
        self.detector = Detector(RULES, ("brand",))
        self.number = 0
        self.found: list[Finding] = []
        self.detector.pass_time(BEGIN * 60.0)
        for hour in range(50):
            for each in range(10):
                self.says(BEGIN + 60 * hour + 6 * each, negative=each < 2, complaint=each < 1)
                self.says(BEGIN + 60 * hour + 6 * each, by_us=True, thread=self.number)
        assert self.found == []

    def says(self, minute: float, **more: Any) -> None:
        self.number += 1
        said: dict[str, Any] = {
            "author": number_of(f"author {self.number}"),
            "thread": self.number,
            "who": "ann",
            "link": "",
        } | more
        self.hears(Observation("brand", minute * 60.0, f"{self.number}", **said))

    def hears(self, heard: Heard) -> None:
        self.found += self.detector.hear(heard)

    def passes(self, minute: float) -> None:
        self.found += self.detector.pass_time(minute * 60.0)

    def raised(self) -> Finding:
        """The first of all."""
        assert self.found
        assert self.found[0].kind == "raises"
        return self.found[0]

    def because(self) -> str:
        (sentence,) = self.raised().assessment.because
        return sentence


@pytest.fixture
def story() -> Story:
    return Story()


def test_people_talk_much_more_than_usual(story):
    for each in range(60):
        story.says(BURST + each / 10)
    assert len(story.found) == 1
    assert story.raised().at == (BURST + 2) * 60
    assert story.raised().assessment.severity is Severity.SEV3
    assert story.raised().assessment.situation == "VIRAL_COMPLAINT"
    assert story.because() == (
        "People talk much more than usual: 30 mentions in the last hour; usual 10 ± 3.2; 6.3 spreads above; 3.0x; "
        "23 mentions in the last 15 minutes; usual 2.5 ± 1.6; 13.0 spreads above; 9.2x; "
        "30 mentions in the last hour (at least 30)."
    )
    (picture,) = story.raised().pictures
    assert (picture.value, picture.limit, picture.mean, picture.window) == (30, 24, 10, 60)
    assert picture.hours == (None,) * 22 + (10,) * 50
    assert picture.until == BURST


def test_a_flood_by_a_few_is_few_people(story):
    for each in range(600):
        story.says(BURST + each / 10, author=number_of(f"author {each % 3}"), negative=True, complaint=True)
        story.says(BURST + each / 10, by_us=True, thread=story.number)
    assert story.found == []


def test_anger_is_spreading_and_with_volume_it_is_one_level_worse(story):
    for each in range(24):
        story.says(BURST + each / 10, negative=each % 3 > 0)
    assert [each.kind for each in story.found] == ["raises", "raises"]
    assert story.raised().assessment.severity is Severity.SEV2
    assert story.because() == (
        "Anger is spreading: 9 negative mentions in the last hour; usual 2.0 ± 1.4; 4.9 spreads above; 4.5x; "
        "43 % negative in the last hour (above 40 %); 21 mentions in the last hour (at least 20); "
        "from 21 people (at least 10)."
    )
    worse = story.found[1].assessment
    assert worse.severity is Severity.SEV1
    assert worse.because[-1] == "tone and volume agree, which raises it one level to SEV1."


def test_more_people_complain_than_usual(story):
    for each in range(25):
        story.says(BURST + each / 10, negative=each % 3 == 0, complaint=each % 3 == 0)
    assert story.raised().started == ("More people complain than usual",)
    assert story.raised().assessment.severity is Severity.SEV3
    assert story.because() == (
        "More people complain than usual: 6 complaints in the last hour; usual 1.0 ± 1.0; 5.0 spreads above; 6.0x; "
        "6 complaints in the last 15 minutes; usual 0.2 ± 0.5; 11.5 spreads above; 24.0x; "
        "25 mentions in the last hour (at least 20); from 25 people (at least 10)."
    )


def test_three_people_in_danger_are_enough_at_any_hour(story):
    for each, topic in enumerate(("poisoning", "injury", "recall")):
        story.says(BURST + each, topics=frozenset({topic}))
    assert story.raised().assessment.severity is Severity.SEV1
    assert story.raised().assessment.situation == "PRODUCT_SAFETY"
    assert story.raised().ignores_quiet_hours
    assert story.because() == (
        "Danger to people: 3 mentions about allergy, injury, poisoning or recall in the last hour (at least 3); "
        "from 3 people (at least 3)."
    )


def test_one_person_who_writes_thrice_of_danger_is_one_person(story):
    for each in range(3):
        story.says(BURST + each, topics=frozenset({"poisoning"}), author=number_of("the same"))
    assert story.found == []


def test_a_big_voice_against_us_is_enough_by_itself(story):
    story.says(BURST, negative=True, reach=100_000)
    story.says(BURST, reach=5_000_000)
    assert story.found == []
    story.says(BURST, negative=True, reach=100_001, link="https://social.example/1")
    assert story.raised().assessment.severity is Severity.SEV2
    assert story.because() == (
        "Big voice against us: a negative mention by ann with 100001 followers (https://social.example/1)."
    )
    story.passes(BURST + 59)
    assert story.detector.standing("brand") == ("Big voice against us",)
    story.passes(BURST + 60)
    assert story.detector.standing("brand") == ()


def test_many_smaller_voices_reach_as_many(story):
    for each in range(6):
        story.says(BURST + each, negative=True, reach=90_000)
    assert story.because() == (
        "Big voice against us: reach of negative mentions in the last 30 minutes is 540000 (above 500000)."
    )


def test_customers_are_left_waiting(story):
    for each in range(26):
        story.says(BURST + 8 * each, negative=each % 2 == 0, complaint=True)
    last = BURST + 8 * 25
    story.passes(last + 119)
    assert story.found == []
    story.passes(last + 500)
    assert story.raised().at == (last + 120) * 60
    assert story.raised().assessment.situation == "CARE_COLLAPSE"
    assert story.because() == (
        "Customers left waiting: 26 complaints unanswered for longer than 2 hours (more than 25)."
    )


def test_customers_who_are_heard_late_have_waited_since_they_wrote(story):
    for each in range(26):
        story.says(BURST, complaint=True, old=True, written=(BURST - 300 + each) * 60.0)
    story.passes(BURST + 1)
    assert story.because() == (
        "Customers left waiting: 26 complaints unanswered for longer than 2 hours (more than 25)."
    )


def test_who_is_heard_late_takes_their_place_before_those_who_wrote_since(story):
    for each in range(25):
        story.says(BURST + 8 * each, complaint=True)
    last = BURST + 8 * 24
    story.says(last + 1, complaint=True, old=True, written=(BURST - 300) * 60.0)
    story.passes(last + 119)
    assert story.found == []
    story.passes(last + 121)
    assert story.raised().at == (last + 120) * 60


def test_a_danger_that_joins_a_viral_complaint_says_its_own_situation(story):
    story.says(BURST, negative=True, reach=200_000)
    for each, topic in enumerate(("poisoning", "injury", "recall")):
        story.says(BURST + 30 + each, topics=frozenset({topic}))
    assert [each.assessment.situation for each in story.found] == ["VIRAL_COMPLAINT", "PRODUCT_SAFETY"]


def test_customers_who_are_answered_in_time_do_not_wait(story):
    for each in range(26):
        story.says(BURST + 8 * each, complaint=True)
    story.says(BURST + 300, by_us=True, thread=story.number)
    story.passes(BURST + 2000)
    assert story.found == []


def test_when_the_oldest_are_answered_the_others_still_wait(story):
    for each in range(300):
        story.says(BURST + 8 * each, complaint=True)
    first = story.number - 299
    story.found.clear()
    for each in range(200):
        story.says(BURST + 3000, by_us=True, thread=first + each)
    assert "Customers left waiting" in story.detector.standing("brand")


def test_the_shop_is_down_and_people_notice(story):
    story.hears(AlertHeard(BURST * 60.0, "alertmanager:1", frozenset({"checkout"}), True))
    story.passes(BURST + 6)
    assert story.found == []
    for each in range(5):
        story.says(BURST + 6 + each, complaint=True)
    assert story.raised().assessment.situation == "SERVICE_OUTAGE"
    assert story.because() == (
        "Shop is down and people notice: monitoring alert checkout has been firing for 8 minutes; "
        "3 complaints in the last 30 minutes; usual 0.5 ± 0.7; 3.5 spreads above; 6.0x."
    )
    story.hears(AlertHeard((BURST + 12) * 60.0, "alertmanager:1", frozenset({"checkout"}), False))
    assert story.detector.standing("brand") == ()


def test_five_customers_report_the_same_fault_whatever_the_monitors_say(story):
    for each in range(5):
        story.says(BURST + each, complaint=True, topics=frozenset({"login" if each else "website", "login"}))
    assert story.raised().assessment.severity is Severity.SEV2
    assert story.because() == (
        "Customers report the same fault: 5 complaints about login in the last 15 minutes (at least 5); "
        "from 5 people (at least 5)."
    )


def test_five_customers_with_different_faults_do_not_make_one(story):
    for each, topic in enumerate(("website", "checkout", "login", "payment", "delivery")):
        story.says(BURST + each, complaint=True, topics=frozenset({topic}))
    assert story.found == []


def test_a_source_has_fallen_silent(story):
    silent = frozenset({"source:bluesky", "source:*"})
    story.hears(AlertHeard(BURST * 60.0, "source:bluesky", silent, True))
    story.passes(BURST + 29)
    assert story.found == []
    story.passes(BURST + 30)
    assert story.raised().assessment.severity is Severity.SEV4
    assert story.because() == "A source has fallen silent: source bluesky has been silent for 30 minutes."


def test_a_silent_source_is_nobodys_crisis_and_makes_none_worse(story):
    silent = frozenset({"source:bluesky", "source:*"})
    story.hears(AlertHeard(BURST * 60.0, "source:bluesky", silent, True))
    story.passes(BURST + 30)
    story.says(BURST + 31, negative=True, reach=200_000)
    ours, crisis = story.found
    assert (ours.brand, ours.assessment.situation) == (SOURCES, "GENERIC")
    assert (crisis.kind, crisis.brand, crisis.assessment.situation) == ("raises", "brand", "VIRAL_COMPLAINT")
    assert crisis.assessment.severity is Severity.SEV2
    assert len(crisis.assessment.because) == 1
    assert story.detector.brands() == ["brand"]


def test_a_silent_source_is_one_incident_however_many_brands_there_are():
    detector = Detector(RULES, ("one", "two", "three"))
    detector.pass_time(BEGIN * 60.0)
    detector.hear(AlertHeard(BEGIN * 60.0, "source:x", frozenset({"source:x", "source:*"}), True))
    found = detector.pass_time((BEGIN + 60) * 60.0)
    assert [each.brand for each in found] == [SOURCES]


def test_when_all_has_been_quiet_for_two_hours_stepping_down_is_proposed_once(story):
    story.says(BURST, negative=True, reach=200_000)
    story.passes(BURST + 60 + 118)
    assert len(story.found) == 1
    story.passes(BURST + 10_000)
    assert [each.kind for each in story.found] == ["raises", "calm"]
    calm = story.found[1]
    assert calm.at == (BURST + 59 + 120) * 60
    assert calm.assessment.because == ("Every rule has been quiet for 2 hours; a person may step down.",)


def test_within_twelve_hours_it_is_the_same_incident_and_no_second_page(story):
    story.says(BURST, negative=True, reach=200_000)
    story.says(BURST + 59 + 720, negative=True, reach=200_000)
    assert [each.kind for each in story.found] == ["raises", "calm"]
    story.says(BURST + 2 * (59 + 720) + 1, negative=True, reach=200_000)
    assert [each.kind for each in story.found[2:]] == ["calm", "raises"]
    assert story.found[3].episode != story.found[0].episode


def test_every_rule_that_ships_has_its_story():
    told = {
        "People talk much more than usual",
        "Anger is spreading",
        "More people complain than usual",
        "Danger to people",
        "Big voice against us",
        "Customers left waiting",
        "Shop is down and people notice",
        "Customers report the same fault",
        "A source has fallen silent",
    }
    assert {rule.name for rule in RULES.rules} == told
