"""The command line: names every command, says what it is for, and imports only the one that is called.

Exit codes: 0 done, 1 refused (the sentence says why), 2 usage, 3 engine not reachable, 4 plan invalid.
"""

import os
from dataclasses import dataclass
from importlib import import_module

import click

from incidents.errors import EngineUnreachable, PlanInvalid, TocsinError
from tocsin.commands.codes import PLAN_INVALID, REFUSED, UNREACHABLE


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command stands, and its line in `tocsin --help`."""

    section: str
    module: str
    summary: str


_RUN, _PLAN, _LOOK, _ACT, _DECIDE, _KEEP = (
    "Run",
    "Plan",
    "Look",
    "Act on an incident",
    "Decide and end",
    "Look after Tocsin",
)

ENTRIES: dict[str, Entry] = {
    "up": Entry(_RUN, "run", "Start everything: engine, Prefect server, worker."),
    "engine": Entry(_RUN, "run", "Start the engine alone; it pages with or without Prefect."),
    "worker": Entry(_RUN, "run", "Start a Prefect worker that drives incidents."),
    "init": Entry(_PLAN, "plan", "Write a commented starter plan into a folder."),
    "check": Entry(_PLAN, "plan", "Check a plan: every problem with file, line and column."),
    "prove": Entry(_PLAN, "prove", "Prove that somebody is always reached in time, or show when not."),
    "who": Entry(_PLAN, "prove", "Who would be called at a moment, rung by rung, and why not others."),
    "plan": Entry(_PLAN, "plan", "`plan activate` makes the engine load its plan folder again."),
    "thresholds": Entry(_PLAN, "thresholds", "What counts as a crisis: print the rules, try a sentence."),
    "backtest": Entry(_PLAN, "backtest", "What the rules would have done with a history: pages, caught, missed."),
    "tone": Entry(_PLAN, "tone", "How mentions are judged: try it, train a judge on your own labels."),
    "contacts": Entry(_PLAN, "contacts", "How people are reached: list, verify, confirm, record, print."),
    "import": Entry(_PLAN, "bring_in", "Turn an export of GoAlert, OnCall, PagerDuty or Opsgenie into a plan."),
    "declare": Entry(_ACT, "act", "Declare an incident and page people."),
    "listen": Entry(_ACT, "heard", "Hear by hand what you saw: it is counted and decided about."),
    "ack": Entry(_ACT, "act", "Take it: you have it now, the pages stop."),
    "pass": Entry(_ACT, "act", "You cannot take it: the next person is paged now."),
    "escalate": Entry(_ACT, "act", "Page the next rung now."),
    "page": Entry(_ACT, "act", "Page somebody by name or role."),
    "ask": Entry(_ACT, "act", "Ask an executive one question, answered Y, N or CALL."),
    "answer": Entry(_ACT, "act", "Answer the question that you were asked."),
    "implicate": Entry(_ACT, "act", "Leave somebody out of an incident, with those who report to them."),
    "handover": Entry(_ACT, "act", "Give the command to somebody else."),
    "severity": Entry(_ACT, "act", "Change the severity, with a reason."),
    "impact": Entry(_ACT, "impact", "Answer questions about the impact; a worse answer raises the severity."),
    "step": Entry(_ACT, "act", "Say that a step is done, or skip it with a reason."),
    "note": Entry(_ACT, "act", "Write something into the timeline."),
    "update": Entry(_ACT, "act", "Publish a status update and promise the next one."),
    "merge": Entry(_ACT, "act", "Merge an incident into another."),
    "replan": Entry(_ACT, "act", "Let a running incident follow the plan as it is now."),
    "status": Entry(_LOOK, "look", "Open incidents and the state of Tocsin; --watch refreshes."),
    "show": Entry(_LOOK, "look", "Everything about one incident."),
    "silence": Entry(_ACT, "silences", "Silence signals for a time: add, list, expire."),
    "heard": Entry(_LOOK, "heard", "What people write, the latest first, and how each brand stands."),
    "cases": Entry(_LOOK, "heard", "Customers who want something; --waiting, or `cases answered CASE-7`."),
    "sources": Entry(_LOOK, "heard", "Where we listen: read when, by whom, in what trouble."),
    "heartbeats": Entry(_LOOK, "silences", "What reports while it is well, and what has fallen silent."),
    "schedules": Entry(_LOOK, "schedules", "Who is on duty, until when, and gaps ahead; export as iCalendar."),
    "who-can": Entry(_LOOK, "contacts", "Who may decide something now, in order, and who may not and why."),
    "picture": Entry(_LOOK, "backtest", "Why rules declared an incident, as PNG: counts, usual band, crossing."),
    "summary": Entry(_LOOK, "look", "The executive summary; --send sends it."),
    "link": Entry(_LOOK, "look", "A signed link to an incident's page for one person."),
    "resolve": Entry(_DECIDE, "end", "It works again."),
    "confirm": Entry(_DECIDE, "end", "Seen from the customers' side, it works again."),
    "suggest": Entry(_DECIDE, "end", "What the goodwill matrix gives one customer."),
    "decide": Entry(_DECIDE, "end", "Decide a question, or what the customers get."),
    "approve": Entry(_DECIDE, "end", "Approve a proposed compensation."),
    "inform": Entry(_DECIDE, "end", "Record that the customers were told the outcome."),
    "close": Entry(_DECIDE, "end", "Close it; refused with what is missing."),
    "reopen": Entry(_DECIDE, "end", "It was not over."),
    "stand-down": Entry(_DECIDE, "end", "It was nothing, or not ours."),
    "test-page": Entry(_KEEP, "keep", "Send a marked test page to somebody."),
    "doctor": Entry(_KEEP, "examine", "Examine this installation; ok, warn or fail a line."),
    "backup": Entry(_KEEP, "keep", "Write a backup while the engine runs."),
    "restore": Entry(_KEEP, "keep", "Put a backup back; the engine must be stopped."),
    "rebuild": Entry(_KEEP, "keep", "Rebuild the list of incidents from the log; the engine must be stopped."),
    "migrate": Entry(_KEEP, "keep", "Bring the database to this version's schema."),
}


class Tocsin(click.Group):
    """Imports a command when it is called, and not for `--help`: that has to be quick at three in the morning."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(ENTRIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = ENTRIES.get(cmd_name)
        if entry is None:
            return None
        module = import_module(f"tocsin.commands.{entry.module}")
        found: click.Command = module.COMMANDS[cmd_name]
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in dict.fromkeys(entry.section for entry in ENTRIES.values()):
            with formatter.section(section):
                lines = [(name, entry.summary) for name, entry in ENTRIES.items() if entry.section == section]
                formatter.write_dl(lines, col_max=14)

    def invoke(self, ctx: click.Context) -> object:
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        try:
            return super().invoke(ctx)
        except PlanInvalid as error:
            for problem in error.problems:
                click.echo(problem, err=True)
            ctx.exit(PLAN_INVALID)
        except EngineUnreachable as error:
            click.echo(str(error), err=True)
            ctx.exit(UNREACHABLE)
        except TocsinError as error:
            click.echo(str(error), err=True)
            ctx.exit(REFUSED)


@click.command(
    cls=Tocsin,
    name="tocsin",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done, 1 refused, 2 usage, 3 engine not reachable, 4 plan invalid.",
)
def cli() -> None:
    """The bell that calls people when something is badly wrong, and does not let go until customers are served."""


def main() -> None:
    """The entry point of `tocsin`."""
    cli()
