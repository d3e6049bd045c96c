"""What to ask a network for: the brands' words. Pure.

What a network finds is looked at again by `signals.brands.Brands`: it may find too much.
"""

from collections.abc import Callable, Iterable, Sequence

from signals import brands as own_words
from signals.brands import Brands, prepare
from signals.listening import Brand
from signals.words import fold, words


def of_interest(brands: Sequence[Brand], brand: str | None) -> tuple[Brand, ...]:
    """The brands that a source listens for: the one that it was given, else all."""
    return tuple(each for each in brands if brand is None or each.id == brand)


def search_words(brands: Iterable[Brand]) -> tuple[str, ...]:
    """Every name, misspelling, product, person and #hashtag of all the brands once, in the order of the file."""
    found: dict[str, str] = {}
    for brand in brands:
        for word in own_words.search_words(brand):
            found.setdefault(fold(word), word)
    return tuple(found.values())


def hashtags(brands: Iterable[Brand]) -> tuple[str, ...]:
    """Without the #: what was named as one, and the names and products as people make hashtags of them."""
    found: dict[str, str] = {}
    for brand in brands:
        named = [each.lstrip("#") for each in brand.hashtags]
        for tag in (*named, *("".join(words(each)) for each in (*brand.names, *brand.products))):
            if tag:
                found.setdefault(fold(tag), tag)
    return tuple(found.values())


def quick_look(brands: Sequence[Brand]) -> Callable[[str], bool]:
    """Whether a post of a whole network names one of the brands: some ten microseconds a post, any thread may ask."""
    known = Brands(brands)
    return lambda text: bool(known.find(prepare(text)))
