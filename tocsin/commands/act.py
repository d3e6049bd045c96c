"""Commands that work an incident: declare, take, pass, page, steps, notes, updates."""

import click

from engine.client import Reply, Request, command
from incidents.severity import Severity
from tocsin.commands.impact import Said, by_question
from tocsin.commands.options import Desk, IncidentId, by_somebody, the_incident

_severities = click.Choice([each.value for each in Severity], case_sensitive=False)


_ANSWERS = {"y": "yes", "n": "no", "c": "call"}


@click.command()
@click.argument("title")
@click.option("--situation", metavar="CODE", default="GENERIC", help="One of the plan's situations. Default GENERIC.")
@click.option("--severity", type=_severities, help="If not as the plan says.")
@click.option("--area", help="If not as the plan says.")
@click.option("--drill", is_flag=True, help="An exercise: reaches only people who agreed to drills.")
@click.option("--because", multiple=True, help="What you know; may be given again.")
@click.option(
    "--implicated", multiple=True, metavar="CONTACT", help="Whom it is about: they and their reports are left out."
)
@click.option(
    "--impact", type=Said(), multiple=True, help="What you know of the impact; `tocsin impact --questions` lists it."
)
@by_somebody
def declare(
    desk: Desk,
    title: str,
    situation: str,
    severity: str | None,
    area: str | None,
    drill: bool,
    because: tuple[str, ...],
    implicated: tuple[str, ...],
    impact: tuple[tuple[str, str], ...],
) -> None:
    """Declare an incident; the first people are paged at once.

    \b
    tocsin declare "Checkout fails for everybody" --situation SERVICE_OUTAGE
    tocsin declare "Checkout fails" --impact customers=5-25% --impact data=dont-know
    """
    asked = {
        "title": title,
        "situation": situation.upper(),
        "by": desk.by,
        "severity": severity,
        "area": area,
        "drill": drill,
        "because": list(because),
        "implicated": list(implicated) or None,
        "impact": by_question(impact) or None,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    desk.say(desk.client.ask(Request("POST", "/api/v1/incidents", _reply, body=given)))


def _reply(answer: dict[str, object]) -> Reply:
    return Reply(str(answer["sentence"]), answer["incident"])  # type: ignore[arg-type]  # the engine's own object


@click.command()
@the_incident
@click.option("--for", "escalation", metavar="CALL", help="Which calling you answer, such as step-look; default any.")
@by_somebody
def ack(desk: Desk, incident: str, escalation: str | None) -> None:
    """I take it. The pages stop, and everybody sees that you have it."""
    desk.say(desk.client.ask(command(incident, "acknowledge", by=desk.by, escalation=escalation, channel="cli")))


@click.command("pass")
@the_incident
@click.option("--for", "escalation", metavar="CALL", help="Which calling; default any.")
@by_somebody
def hand_on(desk: Desk, incident: str, escalation: str | None) -> None:
    """I cannot take it. The next person is paged now."""
    desk.say(desk.client.ask(command(incident, "pass", by=desk.by, escalation=escalation)))


@click.command()
@the_incident
@click.option("--for", "escalation", metavar="CALL", help="Which calling; default any.")
@by_somebody
def escalate(desk: Desk, incident: str, escalation: str | None) -> None:
    """Page the next rung now."""
    desk.say(desk.client.ask(command(incident, "escalate", by=desk.by, escalation=escalation)))


@click.command()
@the_incident
@click.argument("contacts", nargs=-1, required=True, metavar="CONTACT...")
@click.option("--because", required=True, help="What you need from them.")
@by_somebody
def page(desk: Desk, incident: str, contacts: tuple[str, ...], because: str) -> None:
    """Page somebody now: ids (ruth) or roles (role:legal)."""
    desk.say(desk.client.ask(command(incident, "page", by=desk.by, contacts=list(contacts), because=because)))


@click.command()
@the_incident
@click.argument("contacts", nargs=-1, required=True, metavar="CONTACT...")
@click.option("--because", required=True, help="What they have to do with it.")
@by_somebody
def implicate(desk: Desk, incident: str, contacts: tuple[str, ...], because: str) -> None:
    """Leave somebody out: they and everybody who reports to them are neither called nor told."""
    desk.say(desk.client.ask(command(incident, "implicate", by=desk.by, contacts=list(contacts), because=because)))


@click.command()
@the_incident
@click.argument("to", nargs=-1, required=True, metavar="CONTACT...")
@click.option("--question", "text", required=True, help="One question that yes or no answers.")
@click.option("--about", type=click.Choice(["money", "text", "other"]), default="other", help="What a yes approves.")
@click.option("--expires", metavar="30m", default="30m", help="How long the question stands.")
@click.option(
    "--if-silent", type=click.Choice(["no", "yes"]), default="no", help="What silence means; never yes for money, text."
)
@by_somebody
def ask(desk: Desk, incident: str, to: tuple[str, ...], text: str, about: str, expires: str, if_silent: str) -> None:
    """Ask an executive one question: a page that is answered Y, N or CALL.

    tocsin ask INC-7 leon sofia --question "Close all shops until noon?" --expires 20m
    """
    asked = command(
        incident,
        "ask",
        by=desk.by,
        to=list(to),
        text=text,
        about=about,
        expires_in=expires,
        if_silent=if_silent,
    )
    desk.say(desk.client.ask(asked))


@click.command()
@the_incident
@click.argument("said", type=click.Choice([*_ANSWERS, *_ANSWERS.values()], case_sensitive=False), metavar="Y|N|CALL")
@click.option("--question", help="Which question; default the one you were asked last.")
@by_somebody
def answer(desk: Desk, incident: str, said: str, question: str | None) -> None:
    """Answer the question that you were asked, as on the telephone; call means that you want to talk first."""
    said = _ANSWERS.get(said, said)
    desk.say(desk.client.ask(command(incident, "answer", by=desk.by, answer=said, question=question, channel="cli")))


@click.command()
@the_incident
@click.argument("to", metavar="CONTACT")
@click.option("--note", default="", help="What they must know.")
@by_somebody
def handover(desk: Desk, incident: str, to: str, note: str) -> None:
    """Give the command to somebody else."""
    desk.say(desk.client.ask(command(incident, "handover", by=desk.by, to=to, note=note)))


@click.command()
@the_incident
@click.argument("severity", type=_severities)
@click.option("--because", required=True, help="The reason.")
@by_somebody
def severity(desk: Desk, incident: str, severity: str, because: str) -> None:
    """Change the severity. A rise pages from the first rung again."""
    desk.say(desk.client.ask(command(incident, "severity", by=desk.by, severity=severity, because=because)))


@click.command()
@the_incident
@click.argument("step")
@click.argument("outcome", type=click.Choice(["done", "skip"]), default="done")
@click.option("--evidence", default="", help="What was seen or done, where the step asks for it.")
@click.option("--because", help="Why it is skipped.")
@by_somebody
def step(desk: Desk, incident: str, step: str, outcome: str, evidence: str, because: str | None) -> None:
    """Say that a step is done, or skip it with a reason.

    tocsin step INC-7 confirm-scope done --evidence "checkout only, all regions"
    """
    if outcome == "done":
        asked = command(incident, "step-done", by=desk.by, step=step, evidence=evidence)
    elif because is None:
        raise click.UsageError("Skipping a step needs --because.")
    else:
        asked = command(incident, "step-skip", by=desk.by, step=step, because=because)
    desk.say(desk.client.ask(asked))


@click.command()
@the_incident
@click.argument("text")
@by_somebody
def note(desk: Desk, incident: str, text: str) -> None:
    """Write something into the timeline."""
    desk.say(desk.client.ask(command(incident, "note", by=desk.by, text=text)))


@click.command()
@the_incident
@click.argument("text")
@click.option(
    "--audience",
    type=click.Choice(["customers", "staff", "executives"]),
    required=True,
    help="Who reads it; the plan says where it is published.",
)
@click.option("--next-in", metavar="30m", help="When the next update comes; default as the plan says.")
@by_somebody
def update(desk: Desk, incident: str, text: str, audience: str, next_in: str | None) -> None:
    """Publish a status update and promise the next one.

    tocsin update INC-7 "Orders by telephone work." --audience customers --next-in 30m
    """
    desk.say(desk.client.ask(command(incident, "update", by=desk.by, audience=audience, text=text, next_in=next_in)))


@click.command()
@the_incident
@click.option("--into", type=IncidentId(), required=True, help="The incident that goes on.")
@by_somebody
def merge(desk: Desk, incident: str, into: str) -> None:
    """Merge this incident into another, which goes on."""
    desk.say(desk.client.ask(command(incident, "merge", by=desk.by, into=into)))


@click.command()
@the_incident
@click.option("--because", required=True, help="Why the incident follows the new plan.")
@by_somebody
def replan(desk: Desk, incident: str, because: str) -> None:
    """Let a running incident follow the plan that is active now."""
    desk.say(desk.client.ask(command(incident, "replan", by=desk.by, because=because)))


COMMANDS: dict[str, click.Command] = {
    each.name or "": each
    for each in (
        declare,
        ack,
        hand_on,
        escalate,
        page,
        implicate,
        ask,
        answer,
        handover,
        severity,
        step,
        note,
        update,
        merge,
        replan,
    )
}
