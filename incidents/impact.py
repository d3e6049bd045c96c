"""How bad it is by what people answer: the severity matrix of shared/design/domain.md 2.3, one question a row. Pure.

Six of its seven rows are asked. The seventh, reputation, is not: rules of thresholds.yaml decide it, and the social
score (signals/social_score.py) decides nothing. A row that nobody has answered does not count, either way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from incidents.errors import CommandRefused
from incidents.model import Frozen
from incidents.severity import Severity

DONT_KNOW = "dont-know"
"""The answer that every question takes besides its own."""
BY_THE_MATRIX = "rule:impact"
"""Who raises a severity because of an answer: the rule, not the person who answered."""

AnswerId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.%+-]{0,39}$")]
_Words = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


class Row(StrEnum):
    """The rows of the matrix that are asked, in its order."""

    PEOPLE = "people"
    CUSTOMERS = "customers"
    SERVICE = "service"
    DATA = "data"
    LEGAL = "legal"
    MONEY = "money"


TITLES: Mapping[str, str] = {
    Row.PEOPLE: "People and safety",
    Row.CUSTOMERS: "Customers hit",
    Row.SERVICE: "Service",
    Row.DATA: "Data",
    Row.LEGAL: "Law and regulators",
    Row.MONEY: "Money",
}


class Choice(Frozen):
    """One answer that a question takes, and what it makes of the severity."""

    says: _Words
    severity: Severity
    es: str = ""
    """The same in Spanish, for forms in Slack; empty: as in `says`."""


class Question(Frozen):
    """One row of the matrix. "I don't know" is an answer to each and is not written down."""

    ask: _Words
    answers: Annotated[dict[AnswerId, Choice], Field(min_length=2, max_length=20)]
    """By the word that the command line takes."""
    es: str = ""
    """The same in Spanish, for forms in Slack; empty: as in `ask`."""

    @model_validator(mode="after")
    def _leaves_the_common_answer_alone(self) -> Self:
        if DONT_KNOW in self.answers:
            raise ValueError(f"{DONT_KNOW} is an answer to every question; leave it out here")
        return self


def _answers(*lines: tuple[str, Severity, str, str]) -> dict[AnswerId, Choice]:
    return {word: Choice(says=says, severity=severity, es=es) for word, severity, says, es in lines}


_SEV1, _SEV2, _SEV3, _SEV4 = Severity.SEV1, Severity.SEV2, Severity.SEV3, Severity.SEV4

MATRIX: Mapping[Row, Question] = {
    Row.PEOPLE: Question(
        ask="Is anybody hurt or in danger?",
        es="¿Hay alguien herido o en peligro?",
        answers=_answers(
            (
                "death",
                _SEV1,
                "a death, a serious injury, a child or an emergency service at risk",
                "una muerte, herida grave, un niño o un servicio de emergencia en riesgo",
            ),
            (
                "injury",
                _SEV2,
                "an injury, or two independent reports of one hazard within 24 hours",
                "una herida, o dos avisos independientes de un peligro en 24 horas",
            ),
            ("hazard", _SEV3, "one credible report of a hazard", "un aviso creíble de un peligro"),
            ("none", _SEV4, "nobody", "nadie"),
        ),
    ),
    Row.CUSTOMERS: Question(
        ask="How many customers are hit?",
        es="¿A cuántos clientes afecta?",
        answers=_answers(
            ("25%+", _SEV1, "25 % or more, or 100,000 or more", "25 % o más, o 100.000 o más"),
            ("5-25%", _SEV2, "5 to 25 %, or 10,000 or more", "del 5 al 25 %, o 10.000 o más"),
            ("0.5-5%", _SEV3, "0.5 to 5 %", "del 0,5 al 5 %"),
            ("under-0.5%", _SEV4, "less than 0.5 %", "menos del 0,5 %"),
        ),
    ),
    Row.SERVICE: Question(
        ask="What does not work?",
        es="¿Qué no funciona?",
        answers=_answers(
            (
                "down-60m",
                _SEV1,
                "a core journey is down for more than 60 minutes",
                "un recorrido esencial está caído más de 60 minutos",
            ),
            (
                "down",
                _SEV2,
                "a core journey is down more than 10 minutes, or degraded more than 60",
                "un recorrido esencial caído más de 10 minutos, o degradado más de 60",
            ),
            ("workaround", _SEV3, "there is a workaround", "hay una alternativa"),
            ("cosmetic", _SEV4, "it is cosmetic", "es cosmético"),
        ),
    ),
    Row.DATA: Question(
        ask="Have data got out?",
        es="¿Han salido datos?",
        answers=_answers(
            (
                "exfiltration",
                _SEV1,
                "exfiltration is confirmed, with a high risk",
                "exfiltración confirmada, de alto riesgo",
            ),
            (
                "suspected",
                _SEV2,
                "a breach of personal data is suspected",
                "se sospecha una brecha de datos personales",
            ),
            (
                "contained",
                _SEV3,
                "a contained exposure of fewer than 100 people",
                "una exposición contenida de menos de 100 personas",
            ),
            ("near-miss", _SEV4, "a near miss", "estuvo a punto"),
            ("none", _SEV4, "no", "no"),
        ),
    ),
    Row.LEGAL: Question(
        ask="Is the law or a regulator concerned?",
        es="¿Afecta a la ley o a un regulador?",
        answers=_answers(
            (
                "recall",
                _SEV1,
                "a recall, a crime, or a public act of a regulator",
                "una retirada, un delito o un acto público de un regulador",
            ),
            ("notifiable", _SEV2, "an event that must be notified", "un hecho de notificación obligatoria"),
            ("ombudsman", _SEV3, "a complaint through an ombudsman", "una queja por medio de un defensor"),
            ("none", _SEV4, "no", "no"),
        ),
    ),
    Row.MONEY: Question(
        ask="What may it cost, compensation included?",
        es="¿Cuánto puede costar, compensaciones incluidas?",
        answers=_answers(
            ("1%+", _SEV1, "1 % of a year's revenue or more", "el 1 % de los ingresos de un año o más"),
            ("0.1-1%", _SEV2, "0.1 to 1 % of a year's revenue", "del 0,1 al 1 % de los ingresos de un año"),
            ("0.01-0.1%", _SEV3, "0.01 to 0.1 % of a year's revenue", "del 0,01 al 0,1 % de los ingresos de un año"),
            ("under-0.01%", _SEV4, "less than that", "menos"),
        ),
    ),
}
"""As it ships. Where the matrix has no SEV4 cell (law, money), the answer that says so is the mildest."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One row, answered. It keeps what the matrix made of it then: a later plan changes no earlier answer."""

    question: str
    answer: str
    severity: Severity | None
    """None: nobody knows."""
    says: str

    @property
    def sentence(self) -> str:
        """`Customers hit: 5 to 25 %, or 10,000 or more (SEV2)`."""
        rated = "" if self.severity is None else f" ({self.severity})"
        return f"{title_of(self.question)}: {self.says}{rated}"


def title_of(question: str) -> str:
    """`Customers hit`; the question's own id where a later version has asked it."""
    return TITLES.get(question, question)


def severity_of(answers: Iterable[Answer], otherwise: Severity) -> tuple[Severity | None, tuple[str, ...]]:
    """What the answers come to, and why in sentences; (None, ()) when there are none.

    The worst answered row decides. If any question was answered "don't know", it is one level worse: one level, however
    many there are, and never beyond SEV1. Where nothing but that was answered it counts from `otherwise`: the severity
    without any answer.
    """
    given = list(answers)
    known = [each for each in given if each.severity is not None]
    unknown = [each for each in given if each.severity is None]
    if not given:
        return None, ()
    worst = min((each.severity for each in known if each.severity is not None), key=_rank, default=otherwise)
    because = tuple(each.sentence for each in known if each.severity is worst)
    if not unknown or worst is Severity.SEV1:
        return worst, because or tuple(each.sentence for each in unknown)
    titles = ", ".join(title_of(each.question) for each in unknown)
    return worst.one_up, (*because, f"{titles}: not known, so one level above {worst}")


def read_answers(given: Mapping[str, str], matrix: Mapping[Row, Question]) -> tuple[Answer, ...]:
    """What somebody has chosen, question by question, in the matrix's order. `dont_know` is `dont-know` too.

    Raises CommandRefused, naming what there is, for a question or an answer that the matrix does not have.
    """
    unknown = next((name for name in given if name not in matrix), None)
    if unknown is not None:
        raise CommandRefused(f"{unknown[:80]!r} is not a question about the impact; they are {', '.join(matrix)}.")
    return tuple(_answer(row, given[row], question) for row, question in matrix.items() if row in given)


def _answer(row: Row, said: str, question: Question) -> Answer:
    word = said.strip().casefold().replace("_", "-")
    if word == DONT_KNOW:
        return Answer(row.value, DONT_KNOW, None, "not known")
    choice = question.answers.get(word)
    if choice is None:
        takes = ", ".join((*question.answers, DONT_KNOW))
        raise CommandRefused(f"{row}: {said[:80]!r} is not an answer to {question.ask!r}; it takes {takes}.")
    return Answer(row.value, word, choice.severity, choice.says)


def _rank(severity: Severity) -> int:
    return severity.rank
