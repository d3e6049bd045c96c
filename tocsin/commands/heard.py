"""`tocsin heard|cases|sources|listen`: what people write, who waits for us, where we listen, and hearing by hand."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import click

from engine import client as ask
from engine.client import Request
from engine.clock import SystemClock
from tocsin.commands.contacts import Moment
from tocsin.commands.options import Desk, at_the_engine, by_somebody, print_json
from tocsin.words import ago, clock, printable, span, waiting_sentence

_WIDTH = 140
"""Characters of a text on one line."""
_PAGE = 500


class CaseId(click.ParamType[str]):
    """`CASE-7`, `case-7` and `7` all mean CASE-7."""

    name = "case"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        number = str(value).upper().removeprefix("CASE-")
        if not (number.isascii() and number.isdigit()):
            self.fail(f"{value!r} is not a case; write CASE-7 or 7.", param, ctx)
        return f"CASE-{int(number)}"


@click.command()
@click.option("--brand", help="Of this brand of listening.yaml only.")
@click.option("--limit", type=click.IntRange(1, _PAGE), default=20, show_default=True, help="How many.")
@at_the_engine
def heard(desk: Desk, brand: str | None, limit: int) -> None:
    """How each brand stands against its usual, and what people write, the latest first."""
    page = desk.client.ask(ask.mentions(brand, limit))
    brands = [each for each in desk.client.ask(ask.brands()) if brand in (None, each["id"])]
    if desk.as_json:
        print_json({"brands": brands, **page})
        return
    now = SystemClock().now()
    for each in printable(brands):
        click.echo("\n".join(_brand(each, now)))
    found = printable(page["mentions"])
    click.echo("" if found else "Nothing has been heard.")
    for each in found:
        click.echo("\n".join(_mention(each, now)))


class _Listing(click.Group):
    """Lists when no command of its own is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["list", *args])


@click.group(cls=_Listing)
def cases() -> None:
    """Customers who want something from us. A complaint becomes a case; our answer in its conversation answers it."""


@cases.command("list")
@click.option("--waiting", is_flag=True, help="Whom nobody has answered, those who have waited longest first.")
@click.option("--brand", help="Of this brand of listening.yaml only.")
@click.option("--limit", type=click.IntRange(1, _PAGE), default=50, show_default=True, help="How many.")
@at_the_engine
def list_cases(desk: Desk, waiting: bool, brand: str | None, limit: int) -> None:
    """Cases, the newest first. This is what `tocsin cases` does."""
    found = desk.client.ask(ask.cases(waiting=waiting, brand=brand, limit=limit))
    if desk.as_json:
        print_json(found)
        return
    now = SystemClock().now()
    for each in printable(found["cases"]):
        click.echo("\n".join(_case(each, now)))
    click.echo(waiting_sentence(found, now))


@cases.command()
@click.argument("case", metavar="CASE-N", type=CaseId())
@click.option(
    "--at", type=Moment(), help="When; now unless said: '2027-03-28T02:30 Europe/Madrid', without a zone UTC."
)
@by_somebody
def answered(desk: Desk, case: str, at: datetime | None) -> None:
    """Somebody answered this customer where no source hears it, as on the telephone: they wait no longer."""
    sentence = desk.client.ask(ask.case_answered(case, by=desk.by, at=None if at is None else at.isoformat()))
    if desk.as_json:
        print_json({"id": case, "sentence": sentence})
    else:
        click.echo(sentence)


@click.command()
@at_the_engine
def sources(desk: Desk) -> None:
    """Where we listen: when each source was read, by whom, and what is in the way."""
    found: dict[str, Any] = desk.client.ask(Request("GET", "/api/v1/sources", dict))
    if desk.as_json:
        print_json(found)
        return
    if not found["sources"]:
        click.echo("listening.yaml has no sources.")
    now = SystemClock().now()
    for each in printable(found["sources"]):
        click.echo("\n".join(_source(each, now)))


@click.command()
@click.argument("text")
@click.option("--brand", help="Whom it concerns; else its words say so.")
@click.option("--author", help="Who wrote it. Rules count people.")
@click.option("--followers", type=click.IntRange(min=0, max=10**9), help="How many follow the author.")
@click.option("--link", help="Where it stands. The same link a second time is the same mention.")
@click.option("--at", type=Moment(), help="When it was written; now unless said.")
@by_somebody
def listen(
    desk: Desk,
    text: str,
    brand: str | None,
    author: str | None,
    followers: int | None,
    link: str | None,
    at: datetime | None,
) -> None:
    """Hear by hand what you saw. It counts as if a source had brought it: the rules may declare an incident.

    What a rule declares is no drill, whoever wrote the words.
    """
    said = desk.client.ask(
        ask.report_mention(
            text,
            by=desk.by,
            brand=brand,
            author=author,
            reach=followers,
            link=link,
            at=None if at is None else at.isoformat(),
        )
    )
    if desk.as_json:
        print_json(said)
    else:
        click.echo(said["sentence"])


# --- how it looks ---


def _brand(brand: Mapping[str, Any], now: datetime) -> Iterator[str]:
    name = click.style(brand["name"], bold=True)
    parts = [_stream(stream, each) for stream, each in brand["streams"].items()]
    yield f"{name}  {'; '.join(parts) or 'no thresholds decide about it'}"
    for rule in brand["rules"]:
        yield f"  {click.style('holds', fg='red')}  {rule}"
    episode = brand["episode"]
    if episode is not None and brand["rules"]:
        yield f"  since {clock(episode['began'], now)} UTC{', ' + episode['incident'] if episode['incident'] else ''}"


def _stream(name: str, stream: Mapping[str, Any]) -> str:
    what = name.removesuffix("s") if stream["hour"] == 1 else name
    if stream["usual"] is None:
        return f"{stream['hour']} {what} in the last hour"
    return f"{stream['hour']} {what} in the last hour (usual {stream['usual']:.0f} ± {stream['spread']:.0f})"


_TONES = {"negative": "red", "positive": "green"}


def _mention(mention: Mapping[str, Any], now: datetime) -> Iterator[str]:
    text = _line(f"{mention['title']} {mention['text']}")
    if mention["by_us"]:
        # An answer that somebody told us of has no words: nothing of ours heard them.
        words = ["by us" if text else "answered elsewhere"]
    else:
        words = [click.style(mention["tone"], fg=_TONES.get(mention["tone"]))]
    words += ["complaint"] if mention["complaint"] else []
    words += mention["topics"]
    who = mention["author_name"] or "somebody"
    reach = f" ({mention['reach']:,} followers)" if mention["reach"] else ""
    yield f"{clock(mention['at'], now)}  {mention['source']}  {who}{reach}  [{', '.join(words)}]"
    if text:
        yield f"    {text}"
    if mention["link"]:
        yield f"    {mention['link']}"


def _case(case: Mapping[str, Any], now: datetime) -> Iterator[str]:
    waits = case["answered_at"] is None
    state = (
        click.style(f"waits for {span(case['waited'])}", fg="red")
        if waits
        else click.style(f"answered after {span(case['waited'])}", fg="green")
    )
    incident = f"  {case['incident']}" if case["incident"] else ""
    name = click.style(case["id"], bold=True)
    who = f"{case['author'] or 'somebody'} on {case['source']} at {clock(case['opened_at'], now)} UTC"
    yield f"{name}  {state}  {who}{incident}"
    if case["text"]:
        yield f"    {_line(case['text'])}"
    if case["link"]:
        yield f"    {case['link']}"


def _source(source: Mapping[str, Any], now: datetime) -> Iterator[str]:
    every = "sends by itself" if source["webhook"] else f"every {span(source['every'])}"
    read = f"read {ago(source['polled_at'], now)} by {source['polled_by']}" if source["polled_at"] else "never read"
    yield f"{click.style(source['name'], bold=True)}  {source['kind']}, {every}, {read}"
    if source["trouble"]:
        silent = "SILENT" if source["silent"] else "in trouble"
        words = f"{silent} since {clock(source['trouble_since'], now)} UTC: {source['trouble']}"
        yield f"    {click.style(words, fg='red', bold=True)}"


def _line(text: str) -> str:
    said = " ".join(text.split())
    return said if len(said) <= _WIDTH else f"{said[: _WIDTH - 1]}…"


COMMANDS: dict[str, click.Command] = {"heard": heard, "cases": cases, "sources": sources, "listen": listen}
