"""Commands that decide and end an incident: resolve, confirm, compensation, close."""

import click

from engine.client import command, proposal
from incidents.money import NoCompensationReason
from tocsin.commands.options import Desk, at_the_engine, by_somebody, print_json, the_incident


@click.command()
@the_incident
@click.option("--note", required=True, help="What resolved it.")
@by_somebody
def resolve(desk: Desk, incident: str, note: str) -> None:
    """It works again. What is still missing before it can be closed is said."""
    desk.say(desk.client.ask(command(incident, "resolve", by=desk.by, note=note)))


@click.command()
@the_incident
@click.option("--evidence", required=True, help="What was seen from the customers' side.")
@by_somebody
def confirm(desk: Desk, incident: str, evidence: str) -> None:
    """Confirm from the customers' side that it works again."""
    desk.say(desk.client.ask(command(incident, "confirm", by=desk.by, evidence=evidence)))


@click.command()
@the_incident
@click.argument("decision")
@click.option("--choice", help="One of the question's options.")
@click.option("--amount", metavar="20.00", help="compensation: what each customer gets.")
@click.option("--currency", metavar="EUR", help="compensation: of the amount.")
@click.option(
    "--none",
    "reason",
    type=click.Choice([each.value for each in NoCompensationReason], case_sensitive=False),
    help="compensation: nobody gets anything, for this reason.",
)
@click.option("--for", "population", help="compensation: which customers.")
@click.option("--count", type=click.IntRange(0), help="compensation: how many customers.")
@click.option("--because", required=True, help="The reason, for whoever reads it in a year.")
@by_somebody
def decide(
    desk: Desk,
    incident: str,
    decision: str,
    choice: str | None,
    amount: str | None,
    currency: str | None,
    reason: str | None,
    population: str | None,
    count: int | None,
    because: str,
) -> None:
    """Decide a question of the runbook, or what the customers get.

    \b
    tocsin decide INC-7 failover --choice degrade --because "..."
    tocsin decide INC-7 compensation --amount 20 --currency EUR --for "who paid twice" --count 412 --because "..."
    tocsin decide INC-7 compensation --none TRIVIAL_IMPACT --for "visitors of the shop" --count 30 --because "..."
    """
    money = {"--amount": amount, "--currency": currency, "--none": reason, "--for": population, "--count": count}
    if decision != "compensation":
        given = [name for name, value in money.items() if value is not None]
        if given:
            raise click.UsageError(f"{', '.join(given)}: only for the decision `compensation`.")
        if choice is None:
            raise click.UsageError("Say what is decided with --choice.")
        desk.say(
            desk.client.ask(command(incident, "decide", by=desk.by, decision=decision, choice=choice, because=because))
        )
        return
    if choice is not None:
        raise click.UsageError("For the compensation give --amount and --currency, or --none with a reason.")
    if (amount is None) == (reason is None):
        raise click.UsageError("Give either --amount and --currency, or --none with a reason.")
    if amount is not None and currency is None:
        raise click.UsageError("--amount needs --currency.")
    if population is None or count is None:
        raise click.UsageError("Say for whom with --for, and how many they are with --count.")
    desk.say(
        desk.client.ask(
            command(
                incident,
                "compensate",
                by=desk.by,
                per_customer=None if amount is None else {"amount": amount, "currency": currency},
                reason=reason,
                population=population,
                count=count,
                rationale=because,
            )
        )
    )


@click.command()
@the_incident
@click.argument("document")
@by_somebody
def approve(desk: Desk, incident: str, document: str) -> None:
    """Approve the compensation that somebody else proposed; `tocsin show` names the DOCUMENT."""
    desk.say(desk.client.ask(command(incident, "approve", by=desk.by, document=document)))


@click.command()
@the_incident
@click.option("--how", required=True, help="By mail, on the status page, ...")
@click.option("--text", required=True, help="What they were told.")
@by_somebody
def inform(desk: Desk, incident: str, how: str, text: str) -> None:
    """Record that the customers were told the outcome."""
    desk.say(desk.client.ask(command(incident, "inform-customers", by=desk.by, how=how, text=text)))


@click.command()
@the_incident
@by_somebody
def close(desk: Desk, incident: str) -> None:
    """Close it. Refused, with what is missing, until everything is done."""
    desk.say(desk.client.ask(command(incident, "close", by=desk.by)))


@click.command()
@the_incident
@click.option("--because", required=True, help="What is wrong again.")
@by_somebody
def reopen(desk: Desk, incident: str, because: str) -> None:
    """It was not over: pages from the first rung again."""
    desk.say(desk.client.ask(command(incident, "reopen", by=desk.by, because=because)))


@click.command("stand-down")
@the_incident
@click.option("--because", required=True, help="Why it was no incident.")
@click.option("--told", help="What the customers are told now, where an update had told them of it.")
@by_somebody
def stand_down(desk: Desk, incident: str, because: str, told: str | None) -> None:
    """It was nothing, or not ours: a false alarm. The pages stop, and everybody who heard of it is told."""
    desk.say(desk.client.ask(command(incident, "stand-down", by=desk.by, because=because, told=told)))


@click.command()
@click.option(
    "--impact", type=click.IntRange(0, 5), required=True, help="0 trivial, 2 a lost day, 3 an event lost, 5 severe."
)
@click.option("--fault", type=click.IntRange(0, 3), required=True, help="0 not ours, 1 shared, 2 ours, 3 preventable.")
@click.option("--prior-failures", type=click.IntRange(0, 1000), default=0, help="Of the last twelve months.")
@click.option("--vulnerable", is_flag=True, help="The person is vulnerable: one level higher.")
@at_the_engine
def suggest(desk: Desk, impact: int, fault: int, prior_failures: int, vulnerable: bool) -> None:
    """What the goodwill matrix gives one customer. It decides nothing: `tocsin decide INC-7 compensation` does."""
    more = {"prior_failures": str(prior_failures), "vulnerable": str(vulnerable).lower()}
    proposed = desk.client.ask(proposal(impact, fault, **more))
    if desk.as_json:
        print_json(proposed)
        return
    money = proposed["per_customer"]
    click.echo(proposed["form"] if money is None else f"{money['amount']} {money['currency']} and {proposed['form']}")
    for reason in proposed["because"]:
        click.echo(f"- {reason}")


COMMANDS: dict[str, click.Command] = {
    each.name or "": each for each in (suggest, resolve, confirm, decide, approve, inform, close, reopen, stand_down)
}
