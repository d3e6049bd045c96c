"""`tocsin doctor`: examines an installation. Every line says ok, warn or fail in words."""

from pathlib import Path

import click

from tocsin.commands.codes import REFUSED
from tocsin.commands.options import home_option, json_option, plan_option, print_json
from tocsin.doctor import Finding, Verdict, examine
from tocsin.settings import load_settings

_COLOUR = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}


@click.command()
@plan_option
@home_option
@json_option
@click.pass_context
def doctor(ctx: click.Context, plan: Path | None, home: Path | None, as_json: bool) -> None:
    """Examine home, disk, plan, engine, Prefect, credentials and what is easily forgotten. Exit code 1 if any fails."""
    findings = examine(load_settings(plan=plan, home=home))
    if as_json:
        print_json([{"check": each.check, "verdict": each.verdict, "sentence": each.sentence} for each in findings])
    else:
        for each in findings:
            click.echo(_line(each))
    if any(each.verdict is Verdict.FAIL for each in findings):
        ctx.exit(REFUSED)


def _line(finding: Finding) -> str:
    word = click.style(f"{finding.verdict:<4}", fg=_COLOUR[finding.verdict], bold=finding.verdict is Verdict.FAIL)
    return f"{word}  {finding.check}: {finding.sentence}"


COMMANDS: dict[str, click.Command] = {"doctor": doctor}
