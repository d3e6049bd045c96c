"""The command that answers questions about the impact, at any time; and how such answers are typed."""

from collections.abc import Iterable
from typing import Any

import click

from engine import client as ask
from engine.clock import SystemClock
from tocsin.commands.options import PLAN, Desk, IncidentId, by_somebody, print_json
from tocsin.screen import impact_lines


class Said(click.ParamType[tuple[str, str]]):
    """`customers=5-25%` as ("customers", "5-25%"). The engine says which questions and answers there are."""

    name = "question=answer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        question, equals, answer = str(value).partition("=")
        if not (question.strip() and equals and answer.strip()):
            self.fail(f"{value!r} is not QUESTION=ANSWER, such as service=down or data=dont-know.", param, ctx)
        return question.strip().casefold(), answer.strip()


def by_question(said: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The answers by their question. A question that is answered twice is a usage error."""
    found: dict[str, str] = {}
    for question, answer in said:
        if found.setdefault(question, answer) != answer:
            raise click.UsageError(f"{question} is answered twice: {found[question]} and {answer}.")
    return found


@click.command()
@click.argument("incident", metavar="[INC-N]", type=IncidentId(), required=False)
@click.argument("said", nargs=-1, type=Said(), metavar="[QUESTION=ANSWER]...")
@click.option("--questions", is_flag=True, help="List the questions and what each takes.")
@by_somebody
def impact(desk: Desk, incident: str | None, said: tuple[tuple[str, str], ...], questions: bool) -> None:
    """Answer questions about the impact; without any answer, show what is answered and what is not.

    A worse answer raises the severity and pages from the first rung again. None lowers it: a person does that, with
    `tocsin severity`.

    \b
    tocsin impact --questions
    tocsin impact INC-7 service=down data=dont-know
    """
    if questions:
        _list(desk)
    elif incident is None:
        raise click.UsageError("Name an incident, or ask for --questions.")
    elif said:
        desk.say(desk.client.ask(ask.command(incident, "impact", by=desk.by, impact=by_question(said))))
    else:
        _show(desk, incident)


def _list(desk: Desk) -> None:
    found = desk.client.ask(PLAN)["impact"]
    if desk.as_json:
        print_json(found)
        return
    for row in found:
        click.echo(f"{click.style(row['title'], bold=True)}  {row['ask']}")
        words = [(f"{row['question']}={each['answer']}", each["severity"], each["says"]) for each in row["answers"]]
        room = max(len(word) for word, _, _ in words)
        for word, severity, says in words:
            click.echo(f"  {word:<{room}}  {severity}  {says}")
    click.echo("Each takes dont-know too: it raises the severity one level.")


def _show(desk: Desk, incident: str) -> None:
    view = desk.client.ask(ask.incident(incident))
    if desk.as_json:
        print_json(view.get("impact", []))
        return
    click.echo(f"{view['id']} is {view['severity']}.")
    for line in impact_lines(view, desk.names(), SystemClock().now()):
        click.echo(line)


COMMANDS: dict[str, click.Command] = {"impact": impact}
