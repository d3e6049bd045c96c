"""The line that replaces the buttons tells the truth, in the reader's language and time."""

from datetime import UTC, datetime

import pytest

from notifications.slack_words import Outcome, outcome_line, safe
from notifications.wording import Reader

AT = datetime(2026, 11, 21, 13, 3, tzinfo=UTC)
MADRID = Reader("es", "Europe/Madrid")


@pytest.mark.parametrize(
    ("outcome", "english", "spanish"),
    [
        (Outcome(), None, None),
        (
            Outcome(taken_by="Nora Lindqvist", taken_at=AT),
            "Taken by Nora Lindqvist at Sat 13:03 UTC.",
            "Lo tomó Nora Lindqvist (sáb 14:03).",
        ),
        (Outcome(passed_by="Ana", passed_at=AT), "Passed by Ana at Sat 13:03 UTC.", "Lo pasó Ana (sáb 14:03)."),
        (
            Outcome(passed_by="Ana", passed_at=AT, escalated=True),
            "Escalated by Ana at Sat 13:03 UTC.",
            "Lo escaló Ana (sáb 14:03).",
        ),
        (
            Outcome(taken_by="Bob", taken_at=AT, passed_by="Ana", passed_at=AT),
            "Taken by Bob at Sat 13:03 UTC.",
            "Lo tomó Bob (sáb 14:03).",
        ),
        (
            Outcome(said="yes", said_by="Ana", said_at=AT, stopped_at=AT),
            "Ana said yes at Sat 13:03 UTC.",
            "Ana dijo sí (sáb 14:03).",
        ),
        (
            Outcome(expired_at=AT, stopped_at=AT),
            "Nobody answered until Sat 13:03 UTC.",
            "Nadie contestó hasta sáb 14:03.",
        ),
        (
            Outcome(stopped_at=AT),
            "Nobody else is called since Sat 13:03 UTC; you need do nothing.",
            "No se llama a nadie más desde sáb 14:03; no tiene que hacer nada.",
        ),
        (
            Outcome(taken_by="Bob", taken_at=AT, resolved_at=AT),
            "Taken by Bob at Sat 13:03 UTC. Resolved at Sat 13:03 UTC.",
            "Lo tomó Bob (sáb 14:03). Resuelto (sáb 14:03).",
        ),
        (
            Outcome(resolved_at=AT, ended="stood-down", ended_at=AT),
            "Stood down at Sat 13:03 UTC.",
            "Desactivado (sáb 14:03).",
        ),
    ],
)
def test_what_became_of_a_page(outcome, english, spanish):
    assert outcome_line(outcome, Reader()) == english
    assert outcome_line(outcome, MADRID) == spanish


def test_nobody_is_mentioned_by_what_a_person_wrote():
    assert safe("ask <!channel> & <@U1>\nnow") == "ask &lt;!channel&gt; &amp; &lt;@U1&gt; now"
