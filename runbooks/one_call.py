"""How one person is called on a rung, in seconds after it opens: taken from the real ladder, once for each shape. Pure.

The shape is everything on which that depends: their routes in order and which of them work, their channel ladder, the
rung's `repeat`. Two hundred people have a handful of shapes.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from contacts.directory import Contact, Directory, Route
from incidents.severity import Severity
from runbooks.plan import Backoff, Repeat, Rung
from runbooks.trial import Call, Cause, call, is_broken

_AT = datetime(2000, 1, 1, tzinfo=UTC)
_LONG = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OneCall:
    """`reached`: a page arrives that counts. `departed`: the first page leaves. `spent`: nothing is left to try, so the
    ladder waits for them no longer. None: not within the horizon."""

    reached: int | None
    departed: int | None
    spent: int | None


@dataclass(slots=True)
class Calls:
    """The calls of one directory with one set of broken things."""

    directory: Directory
    broken: frozenset[str]
    counts: Callable[[Contact, Route], bool]
    """Whether a page that arrives by this route counts as reaching them."""
    horizon: timedelta
    _known: dict[Hashable, OneCall] = field(default_factory=dict)
    _marked: dict[str, Hashable] = field(default_factory=dict)

    def on_rung(self, contact: Contact, severity: Severity, repeat: Repeat | None) -> OneCall:
        return self._kept(contact, severity, repeat, None)

    def in_extremis(self, contact: Contact, severity: Severity, again: Backoff) -> OneCall:
        """`spent` is always None: the last rung goes on for ever."""
        return self._kept(contact, severity, None, again)

    def _kept(self, contact: Contact, severity: Severity, repeat: Repeat | None, again: Backoff | None) -> OneCall:
        key = (self._marks(contact), self.directory.beats(contact, severity) if again is None else (), repeat, again)
        if key not in self._known:
            self._known[key] = self._tried(contact, severity, repeat, again)
        return self._known[key]

    def _marks(self, contact: Contact) -> Hashable:
        """Their routes in order, and which of them work and count."""
        if contact.id not in self._marked:
            self._marked[contact.id] = tuple(
                (route.channel, route.line, route.provider, is_broken(route, self.broken), self.counts(contact, route))
                for route in self.directory.routes(contact, drill=False)
            )
        return self._marked[contact.id]

    def _tried(self, contact: Contact, severity: Severity, repeat: Repeat | None, again: Backoff | None) -> OneCall:
        routes = self.directory.routes(contact, drill=False)
        working = [route for route in routes if not is_broken(route, self.broken)]
        can_count = any(self.counts(contact, route) for route in working)
        if again is not None and not can_count:
            return OneCall(None, None, None)
        steps = call(
            () if again is not None else (Rung(page=(contact.id,), wait=_LONG, repeat=repeat),),
            (contact.id,),
            again or Backoff(),
            self._alone(contact),
            Cause(severity),
            _AT,
            self.broken,
            self.horizon,
        )
        reached: int | None = None
        departed: int | None = None
        for step in steps:
            if not isinstance(step, Call):
                continue
            after = int(step.after.total_seconds())
            if step.rung > 1:
                return OneCall(reached, departed, after)
            if step.works:
                departed = after if departed is None else departed
                if reached is None and self.counts(contact, step.route):
                    reached = after
            if again is not None and reached is not None:
                break
        return OneCall(reached, departed, None)

    def _alone(self, contact: Contact) -> Directory:
        """A directory of one, who is always there."""
        plain = contact.model_copy(update={"absences": (), "quiet_hours": (), "conflicts": ()})
        alone = Directory(contacts=(plain,), providers=self.directory.providers, paging=self.directory.paging)
        return alone.with_live(self.directory.live)
