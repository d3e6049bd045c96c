"""`tocsin thresholds`: the rules of a plan as they ought to be written, in plain words, and one sentence tried."""

import io
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML

from incidents.errors import CommandRefused, ConditionError
from runbooks.hearing_checks import sentence_errors
from runbooks.loader import load_plan
from runbooks.places import Weight
from runbooks.plan import Plan
from signals.grammar import Reading, read, write
from signals.plain_words import condition_in_words, rule_in_words
from signals.rules import Thresholds
from signals.thresholds import ThresholdsFile, as_written, compiled, default_words, family_of
from tocsin.commands.codes import REFUSED
from tocsin.commands.options import json_option, plan_option, print_json


@click.group("thresholds")
def thresholds() -> None:
    """What counts as a crisis: the rules of a plan's thresholds.yaml."""


@thresholds.command("print")
@click.argument("folder", type=click.Path(path_type=Path), metavar="[DIR]", required=False)
@plan_option
@click.option("--explain", is_flag=True, help="One sentence a rule, in plain words.")
@json_option
def print_rules(folder: Path | None, plan: Path | None, explain: bool, as_json: bool) -> None:
    """Print the thresholds of the plan in DIR (or --plan, TOCSIN_PLAN) as they ought to be written."""
    where = folder or plan
    if where is None:
        raise click.UsageError("Name the plan's folder: tocsin thresholds print DIR.")
    file = load_plan(where).plan.thresholds
    if file is None:
        raise CommandRefused(f"There is no thresholds.yaml in {where}.")
    rules = compiled(file)
    if as_json:
        print_json(_as_object(file, rules))
    elif explain:
        for rule in rules.rules:
            click.echo(f"{rule.name} ({rule.family}): {rule_in_words(rule, rules)}")
    else:
        click.echo(_yaml(as_written(file)), nl=False)


@thresholds.command("try")
@click.argument("text")
@plan_option
@json_option
@click.pass_context
def try_sentence(ctx: click.Context, text: str, plan: Path | None, as_json: bool) -> None:
    """Say how a sentence is read, or what is wrong with it and where. Its words mean what --plan says they do."""
    whole = None if plan is None else load_plan(plan).plan
    file = None if whole is None else whole.thresholds
    words = default_words() if file is None else dict(file.words)
    try:
        reading = _read(text, words, whole)
    except ConditionError as error:
        if as_json:
            print_json({"understood": False, "problem": error.sentence, "line": error.line, "column": error.column})
        else:
            click.echo(_with_caret(text, error), err=True)
        ctx.exit(REFUSED)
    condition = reading.condition
    meaning, family = condition_in_words(condition, words), family_of(condition)
    if as_json:
        print_json({"understood": True, "written": write(condition), "meaning": meaning, "family": family})
        return
    click.echo(write(condition))
    click.echo(f"It holds when {meaning}. A rule that begins with it is of the family {family}.")


def _read(text: str, words: dict[str, float], plan: Plan | None) -> Reading:
    """Raises ConditionError for what `tocsin check` would refuse too."""
    reading = read(text)
    for named in reading.names:
        if named.kind == "word" and named.name not in words:
            known = ", ".join(repr(each) for each in words)
            raise ConditionError(f"{named.name!r} is not one of the words {known}.", text, named.offset)
    for wrong in sentence_errors(text, plan):
        if wrong.weight is Weight.ERROR:
            raise ConditionError(wrong.sentence, text, wrong.offset or 0)
    return reading


def _with_caret(text: str, error: ConditionError) -> str:
    """The line in which reading stopped, a caret under the place, and the sentence that helps."""
    line = text.split("\n")[error.line - 1]
    before = "".join(" " if each != "\t" else each for each in line[: error.column - 1])
    return f"{line}\n{before}^\nline {error.line}, column {error.column}: {error.sentence}"


def _as_object(file: ThresholdsFile, rules: Thresholds) -> dict[str, Any]:
    explained = [
        {"rule": rule.name, "family": rule.family, "severity": rule.severity, "meaning": rule_in_words(rule, rules)}
        for rule in rules.rules
    ]
    return {"thresholds": as_written(file).model_dump(mode="json", exclude_none=True), "rules": explained}


def _yaml(file: ThresholdsFile) -> str:
    """The file as YAML: keys that say nothing are left out, and one sentence stands without a list."""
    content = file.model_dump(mode="json", exclude_none=True)
    content["rules"] = [_short(rule) for rule in content["rules"]]
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 10_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    written = io.StringIO()
    yaml.dump(content, written)
    return written.getvalue()


def _short(rule: dict[str, Any]) -> dict[str, Any]:
    said = {key: value for key, value in rule.items() if value != [] and (key, value) != ("quiet hours", "keep")}
    return {key: value[0] if isinstance(value, list) and len(value) == 1 else value for key, value in said.items()}


COMMANDS: dict[str, click.Command] = {"thresholds": thresholds}
