"""What the checks of a plan's files have in common: how a finding is worded. Pure."""

from collections.abc import Hashable, Iterable, Iterator

from runbooks.places import Finding, ModelPath, Weight
from runbooks.wording import nearest


def warning(path: ModelPath, sentence: str) -> Finding:
    return Finding(path, sentence, Weight.WARNING)


def unknown(path: ModelPath, word: str, known: Iterable[str], where: str, offset: int | None = None) -> Finding:
    """`'nora' is not a contact in contacts.yaml; did you mean 'norah'?`"""
    meant = nearest(word, tuple(known))
    hint = f"; did you mean {meant!r}?" if meant is not None else "."
    return Finding(path, f"{word!r} is not {where}{hint}", offset=offset)


def repeated(named: Iterable[tuple[ModelPath, Hashable]], sentence: str) -> Iterator[Finding]:
    """A finding for every path with a value that an earlier one has. `sentence` may say `{}` for the value."""
    seen: set[Hashable] = set()
    for path, value in named:
        if value in seen:
            yield Finding(path, sentence.format(value))
        seen.add(value)
