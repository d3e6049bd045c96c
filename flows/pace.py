"""How often a run looks at its incident, and when it parks."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Pace:
    """Figures of architecture.md, "Driving and parking"; tests shorten them."""

    look_every: timedelta = timedelta(seconds=15)
    """Read again at the latest after this, hint or not."""
    parks_ahead: timedelta = timedelta(minutes=15)
    """A run parks when nothing will be due for this long."""
    linger: timedelta = timedelta(seconds=30)
    """But not before nothing has happened for this long: people who work an incident act in bursts."""
    receipt_within: timedelta = timedelta(seconds=75)
    """How long a page that the provider has is watched for its receipt; the engine gives up after 60 s."""
