"""`python -m bench.reading`: how many mentions a second one core reads, by the lexicon and by a trained judge.

The texts are tests/data/tone_*.csv, three in a row for the length of a post (about 170 characters), with one of ten
brands' names put in, or none. CPU time of one thread, so that other work on the machine counts little.
"""

import csv
import resource
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from listening.labels import Label, read_labels
from listening.reading import Reader
from listening.tone import Tone
from listening.tone_model import TrainedTone
from listening.tone_training import train
from signals.listening import Brand, Listening
from signals.mention import Mention

DATA = Path(__file__).parents[1] / "tests" / "data"
NAMES = (
    "Northwind",
    "Contoso Bank",
    "Fabrikam",
    "Litware",
    "Tailspin",
    "Wingtip Toys",
    "Adatum",
    "Proseware",
    "Lucerne",
    "Relecloud",
)
TOPICS = {
    "injury": ("injur*", "hospital", "herid*"),
    "poisoning": ("food poison*", "intoxica*", "vomit*"),
    "recall": ("recall*", "retirada del mercado"),
    "data": ("data breach", "leak*", "filtr*"),
}
ROUNDS = 30


def main() -> None:
    brands = tuple(
        Brand(id=f"b{number}", names=(name,), products=("Blue Card",), accounts=(f"care.b{number}.example",))
        for number, name in enumerate(NAMES)
    )
    listening = Listening(brands=brands)
    posts = [text for language in ("en", "es") for text in _posts(language)]
    about = [_mention(f"{NAMES[number % len(NAMES)]} {text}") for number, text in enumerate(posts)]
    nobody = [_mention(text) for text in posts]
    print(f"{sum(len(each.text) for each in about) / len(about):.0f} characters a mention, {len(NAMES)} brands")
    _measure("the lexicon, about a brand", listening, None, about)
    _measure("the lexicon, about nobody", listening, None, nobody)
    _measure("a trained judge, about a brand", listening, _trained(), about)
    print(f"largest memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _posts(language: str) -> list[str]:
    with (DATA / f"tone_{language}.csv").open(encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    return [" ".join((texts * 2)[place : place + 3]) for place in range(len(texts))]


def _mention(text: str) -> Mention:
    return Mention(source="bench", id="1", at=datetime(2026, 1, 1, tzinfo=UTC), text=text)


def _trained() -> Tone:
    labels: dict[str, list[Label]] = {code: read_labels(DATA / f"tone_{code}.csv") for code in ("en", "es")}
    return TrainedTone({code: train(code, of_language) for code, of_language in labels.items()})


def _measure(what: str, listening: Listening, tone: Tone | None, mentions: Sequence[Mention]) -> None:
    reader = Reader(listening, TOPICS, tone)
    reader.read_many(mentions)
    times = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        found = sum(map(bool, reader.read_many(mentions)))
        times.append(time.process_time() - begun)
    best, middle = len(mentions) / min(times), len(mentions) / median(times)
    print(
        f"{what}: {best:,.0f} mentions/s/core in the best of {ROUNDS} rounds, {middle:,.0f} in the middle one", end=""
    )
    print(f" ({found} of {len(mentions)} concern a brand)")


if __name__ == "__main__":
    main()
