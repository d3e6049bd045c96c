"""The thresholds of a plan, ready to decide with. `signals/thresholds.py` makes them from thresholds.yaml."""

from dataclasses import dataclass, field
from datetime import timedelta

from incidents.severity import Severity
from signals.conditions import Condition, Family, Silent

SOURCES = "source:*"
"""Stands for a brand where a rule is about our sources and no brand; no id of a brand has a colon."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Holds when all of `when` hold, or one of `otherwise`; and all of `only_if` besides."""

    name: str
    when: tuple[Condition, ...]
    severity: Severity
    family: Family
    otherwise: tuple[Condition, ...] = ()
    """`or:`"""
    only_if: tuple[Condition, ...] = ()
    situation: str | None = None
    """None: the file's own, `situation`."""
    brand: str | None = None
    """None: every brand; or, where it asks only about sources, none of them."""
    ignores_quiet_hours: bool = False

    @property
    def is_about_sources(self) -> bool:
        """It asks only whether sources are silent. That is our trouble and nobody's crisis: it makes an incident of its
        own, and says nothing of how bad a brand's is."""
        return all(isinstance(each, Silent) for each in (*self.when, *self.otherwise, *self.only_if))

    def decides_about(self, brand: str) -> bool:
        """Whether it is decided for this brand (or SOURCES)."""
        if self.brand is not None:
            return self.brand == brand
        return self.is_about_sources == (brand == SOURCES)


@dataclass(frozen=True, slots=True)
class Thresholds:
    rules: tuple[Rule, ...]
    situation: str
    """Of a rule that names none."""
    words: dict[str, float] = field(
        default_factory=lambda: {"noticeable": 3.0, "clear": 4.2, "strong": 6.0, "extreme": 10.0}
    )
    """What the words mean, in spreads."""
    usual_days: int = 14
    leave_out: timedelta = timedelta(days=1)
    """So long ago at least is what counts as usual: the first day of a crisis never becomes it."""
    raise_within: timedelta | None = timedelta(hours=2)
    """Rules of two families that hold within this raise the severity one level; None: never."""
    join: timedelta = timedelta(hours=12)
    """A rule that starts within this of another's last hold belongs to the same incident."""
    calm: timedelta = timedelta(hours=2)
    """When every rule has been quiet for so long, stepping down is proposed. Only a person does it."""
    topics: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Topic id to its words; a word that ends in * stands for all that begin so."""
