"""Pictures: what stands in them, that nothing strange gets out of them, that they need no colours."""

from xml.etree import ElementTree

import pytest

from signals.backtest import Backtest, Label
from signals.pictures import HEIGHT, WIDTH, Box, Line, Wedge, Words, crossing, history, of_assessment, svg
from signals.rules import Thresholds

AT = 1_767_434_400.0
"""2026-01-03 10:00 UTC."""
HOSTILE = "<script>alert(1)</script>]]>\"'&\x00\x0b\ud800"


def body(**changed):
    hours = (*([20] * 70), None, 40)
    picture = {
        "rule": "Anger", "subject": "negative mentions", "window": 60, "value": 90, "limit": 70.0, "mean": 20.0,
        "spread": 12.0, "hours": hours, "until": int(AT // 60),
    }  # fmt: skip
    return picture | changed


def words_of(drawing):
    return [each.text for each in drawing.shapes if isinstance(each, Words)]


def boxes_of(drawing, shade):
    return [each for each in drawing.shapes if isinstance(each, Box) and each.shade == shade]


def test_it_says_what_was_counted_when_and_what_is_usual():
    drawing = crossing(body(), AT + 17 * 60)
    said = words_of(drawing)
    for each in ("Anger", "negative mentions in 1 hour", "90 at 03 Jan 10:17 UTC", "band: usual 20 ± 12", "time (UTC)"):
        assert each in said
    assert "dashed: limit 70" in said
    assert drawing.title == "Anger: 90 negative mentions in 1 hour at 03 Jan 10:17 UTC; usual 20 ± 12; limit 70"


def test_bars_are_as_high_as_their_counts_and_the_crossing_is_solid_and_marked():
    drawing = crossing(body(), AT)
    bars, (crossed,) = boxes_of(drawing, 0.4), boxes_of(drawing, 1.0)
    assert len(bars) == 71  # one of 72 hours is unknown
    assert bars[-1].height == pytest.approx(2 * bars[0].height, abs=0.2)
    assert crossed.height == pytest.approx(90 / 20 * bars[0].height, abs=0.5)
    (mark,) = [each for each in drawing.shapes if isinstance(each, Wedge)]
    assert crossed.x < mark.x < crossed.x + crossed.width + 2


def test_the_limit_is_dashed_below_the_top_of_what_crossed_it():
    drawing = crossing(body(), AT)
    (limit,) = [each for each in drawing.shapes if isinstance(each, Line) and each.dashes == (7, 4)]
    (crossed,) = boxes_of(drawing, 1.0)
    assert crossed.y < limit.y < crossed.y + crossed.height


def test_hours_are_their_part_for_a_shorter_window():
    drawing = crossing(body(window=15, value=40, mean=5.0, spread=3.0), AT)
    bars, (crossed,) = boxes_of(drawing, 0.4), boxes_of(drawing, 1.0)
    assert crossed.height == pytest.approx(8 * bars[0].height, abs=1.0)
    assert "hours: their part for 15 minutes" in words_of(drawing)


def test_without_a_usual_and_a_limit_there_are_the_counts_alone():
    drawing = crossing(body(mean=None, spread=None, limit=None, hours=(None,) * 72), AT)
    assert not [each for each in words_of(drawing) if "usual" in each or "limit" in each]
    assert len(boxes_of(drawing, 1.0)) == 1


@pytest.mark.parametrize("value", [0, 1, 7, 10**9])
def test_any_count_stays_on_the_sheet(value):
    for shape in crossing(body(value=value, limit=float(value or 1)), AT).shapes:
        assert 0 <= shape.x <= WIDTH
        assert 0 <= shape.y <= HEIGHT


def test_strangers_words_cannot_leave_the_picture():
    text = svg(crossing(body(rule=HOSTILE), AT))
    root = ElementTree.fromstring(text.encode())
    assert {each.tag.rpartition("}")[2] for each in root.iter()} == {"svg", "title", "rect", "line", "path", "text"}
    assert "<script>alert(1)" in "".join(root.itertext())


def test_it_takes_the_colour_of_the_page_and_no_style_of_its_own():
    text = svg(crossing(body(), AT))
    assert "style" not in text
    assert "#" not in text
    assert 'fill="currentColor"' in text


def test_of_an_assessment_only_what_began_is_drawn():
    anger, crowd = body(), body(rule="Crowd")
    assert of_assessment({"started": ["Crowd"], "pictures": [anger, crowd]}) == [crowd]
    assert of_assessment({"started": [], "pictures": [anger, crowd]}) == [anger, crowd]
    assert of_assessment({}) == []


def test_a_history_of_many_years_has_no_more_bars_than_fit():
    test = Backtest(Thresholds((), "SHOP_DOWN"), ("northwind",), words=False)
    test.pass_time(0.0)
    test.pass_time(10 * 365 * 86400.0)
    label = Label("northwind", 0.0, 86400.0, "x")
    counts = {"northwind": {hour: hour % 100 for hour in range(10 * 365 * 24)}}
    drawing = history(test.report([label]), counts, [label])
    assert 300 < len(boxes_of(drawing, 0.55)) <= 641
    assert len(boxes_of(drawing, 0.2)) == 1
    assert "0 pages, 0.00 per brand and week" in words_of(drawing)
    ElementTree.fromstring(svg(drawing).encode())
