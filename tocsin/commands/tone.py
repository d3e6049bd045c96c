"""`tocsin tone`: try the judge of tone, write what it said into a file, train a better one on what people corrected."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from engine.client import Request
from incidents.errors import CommandRefused
from listening.labels import WORDS, Label, LabelsInvalid, read_labels, write_labels
from listening.language import Languages
from listening.tone import word_of
from listening.tone_model import Figures, ToneModel, models_in, save, tone_of
from signals.complaint import is_complaint
from signals.mention import Mention, Tone
from signals.words import words
from tocsin.commands.codes import REFUSED
from tocsin.commands.options import DEFAULT_HOME, Desk, at_the_engine, home_option, json_option, print_json

_file: Any = click.Path(path_type=Path, dir_okay=False)
_MOST_LABELS = 100_000
_PAGE = 500


@click.group("tone")
def tone() -> None:
    """How mentions are judged: negative, neutral or positive.

    \b
    tocsin tone labels --out labels.csv     what was said of the latest mentions; correct the last column
    tocsin tone train labels.csv            a judge of your own, with the honest figure beside the lexicon's
    """


@tone.command("try")
@click.argument("text")
@click.option("--language", metavar="es", help="The language it is in; else it is found out.")
@home_option
@json_option
def try_text(text: str, language: str | None, home: Path | None, as_json: bool) -> None:
    """Judge TEXT as the engine would if it had just been started."""
    judge, problems = tone_of(home or DEFAULT_HOME)
    said = words(text)
    found = Languages().of(text, said, language)
    score = judge.judge([text], found)[0]
    word = word_of(score)
    complains = is_complaint(_said_to_us(text), said, word)
    trained = models_in(home or DEFAULT_HOME)[0].get(found or "")
    by = "the lexicon" if trained is None else f"the judge trained on {trained.figures.labels} labels"
    if as_json:
        print_json({"language": found, "label": word, "score": round(score, 4), "complaint": complains, "judge": by})
        return
    click.echo(f"{word} ({score:+.2f}), language {found or 'unknown'}, judged by {by}")
    click.echo(f"Written to one of our accounts it would {'' if complains else 'not '}be a complaint.")
    _say_problems(problems)


@tone.command("show")
@home_option
@json_option
def show(home: Path | None, as_json: bool) -> None:
    """Which languages have a judge of their own, and how good it was on labels that it had not seen."""
    models, problems = models_in(home or DEFAULT_HOME)
    if as_json:
        print_json({"judges": [_about(model) for model in models.values()], "problems": problems})
        return
    for language, model in models.items():
        click.echo(f"{language}: trained on {model.figures.labels} labels")
        _say_figures(model.figures)
    rest = [each for each in ("en", "es") if each not in models]
    if rest:
        click.echo(f"{', '.join(rest)}: the lexicon")
    click.echo("Other languages: emojis only")
    _say_problems(problems)


@tone.command("train")
@click.argument("labels", metavar="LABELS.csv", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--anyway", is_flag=True, help="Keep a judge that is no better than the lexicon.")
@home_option
@json_option
@click.pass_context
def train(ctx: click.Context, labels: Path, anyway: bool, home: Path | None, as_json: bool) -> None:
    """Train a judge for each language of LABELS.csv (columns text, language, label), and say how good it is.

    A judge that is no better than the lexicon on labels it had not seen is not kept. The engine uses a new one from its
    next start. Exit code 1 when any language got none.
    """
    by_language: dict[str, list[Label]] = {}
    for label in read_labels(labels):
        by_language.setdefault(label.language, []).append(label)
    if not by_language:
        raise LabelsInvalid(f"{labels}: there is no label in it.")
    results = [_trained(language, rows, home or DEFAULT_HOME, anyway) for language, rows in by_language.items()]
    if as_json:
        print_json({"judges": results})
    else:
        for result in results:
            _say_result(result)
    if not all(result["saved"] for result in results):
        ctx.exit(REFUSED)


def _trained(language: str, labels: Sequence[Label], home: Path, anyway: bool) -> dict[str, Any]:
    """What came of one language."""
    counts = Counter(label.word for label in labels)
    result: dict[str, Any] = {"language": language, "labels": {word: counts[word] for word in WORDS}, "saved": None}
    try:
        model: ToneModel = _training().train(language, labels)
    except CommandRefused as error:
        return result | {"sentence": str(error)}
    result |= {"figures": _figures(model.figures)}
    if model.figures.recall <= model.figures.lexicon_recall and not anyway:
        sentence = "Not kept: it was no better than the lexicon, which goes on judging. (--anyway keeps it.)"
        return result | {"sentence": sentence}
    try:
        path = save(model, home)
    except OSError as error:
        raise CommandRefused(f"{home} cannot be written: {error.strerror}.") from error
    return result | {"saved": str(path), "sentence": f"Kept in {path}; the engine uses it from its next start."}


def _training() -> Any:
    """Only training needs scikit-learn, which not every installation has."""
    try:
        return import_module("listening.tone_training")
    except ModuleNotFoundError as error:
        raise CommandRefused(f"Training needs {error.name}: pip install 'tocsin[tone]'.") from error


@tone.command("labels")
@click.option("--out", type=_file, help="Write it here; else it is printed. An existing file is not overwritten.")
@click.option("--limit", type=click.IntRange(1, _MOST_LABELS), default=500, help="How many mentions, the latest first.")
@click.option("--language", metavar="es", help="Only these.")
@at_the_engine
def labels(desk: Desk, out: Path | None, limit: int, language: str | None) -> None:
    """Mentions with what was said of their tone, as CSV: correct the last column, then `tocsin tone train`.

    It holds what strangers wrote, with their names in it perhaps: keep it as you keep customers' data.
    """
    found = _mentions(desk, limit, language)
    if desk.as_json:
        print_json([{"text": each.text, "language": each.language, "label": each.word} for each in found])
        return
    content = write_labels(found)
    if out is None:
        click.echo(content, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError as error:
        raise CommandRefused(f"{out} exists already; somebody may have corrected it. Name another file.") from error
    except OSError as error:
        raise CommandRefused(f"{out} cannot be written: {error.strerror}.") from error
    click.echo(f"wrote {len(found)} labels to {out}")


def _mentions(desk: Desk, limit: int, language: str | None) -> list[Label]:
    """The latest mentions, each text once, of those whose language is known."""
    found: dict[tuple[str, str], Label] = {}
    before: int | None = None
    while len(found) < limit:
        page = desk.client.ask(_page(before))
        for each in page["mentions"]:
            label = _label(each)
            if label is not None and language in (None, label.language):
                found.setdefault((label.language, label.text), label)
        before = page.get("before")
        if not page["mentions"] or before is None:
            break
    return list(found.values())[:limit]


def _page(before: int | None) -> Request[dict[str, Any]]:
    return Request("GET", "/api/v1/mentions", dict, query={"limit": _PAGE, "before": before})


def _label(mention: Mapping[str, Any]) -> Label | None:
    text = str(mention["text"] or "").strip()
    word: Tone | None = next((each for each in WORDS if each == mention["tone"]), None)
    if not text or word is None or not mention["language"] or mention.get("by_us"):
        return None
    return Label(text, str(mention["language"]), word)


def _said_to_us(text: str) -> Mention:
    return Mention(source="tone", id="try", at=datetime.fromtimestamp(0, UTC), text=text, to_us=True)


def _about(model: ToneModel) -> dict[str, Any]:
    return {"language": model.language, "labels": model.figures.labels, "figures": _figures(model.figures)}


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "folds": figures.folds,
        "macro_recall": round(figures.recall, 3),
        "macro_f1": round(figures.f1, 3),
        "lexicon_macro_recall": round(figures.lexicon_recall, 3),
        "lexicon_macro_f1": round(figures.lexicon_f1, 3),
        "folds_won": figures.folds_won,
    }


def _say_result(result: Mapping[str, Any]) -> None:
    counts = ", ".join(f"{number} {word}" for word, number in result["labels"].items())
    click.echo(f"{result['language']}: {sum(result['labels'].values())} labels ({counts})")
    if "figures" in result:
        _say_table(result["figures"])
    click.echo(f"  {result['sentence']}", err=result["saved"] is None)


def _say_figures(figures: Figures) -> None:
    _say_table(_figures(figures))


def _say_table(figures: Mapping[str, Any]) -> None:
    click.echo("                 macro-recall  macro-F1")
    click.echo(f"  this judge     {figures['macro_recall']:12.3f}  {figures['macro_f1']:8.3f}")
    click.echo(f"  the lexicon    {figures['lexicon_macro_recall']:12.3f}  {figures['lexicon_macro_f1']:8.3f}")
    click.echo(
        f"  Means of {figures['folds']} stratified folds, each judged by a model that had not seen it; "
        f"better in {figures['folds_won']} of them."
    )


def _say_problems(problems: Sequence[str]) -> None:
    for problem in problems:
        click.echo(problem, err=True)


COMMANDS: dict[str, click.Command] = {"tone": tone}
