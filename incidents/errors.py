"""Every error of Tocsin, in one shallow tree. The type answers "what now?".

TocsinError
├── CommandRefused        the rules say no; the sentence says why; nothing has changed
├── UnknownIncident       no such incident
├── SignalRefused         a sender's request is wrong; names the field; nothing has changed
├── ConditionError        a sentence of thresholds.yaml is not understood; with line and column in it
├── PlanInvalid           the plan cannot be used; every problem with file:line:column
├── StaleDriver           the flow run that asks no longer drives the incident; it must end
├── CursorMoved           somebody else has read this source meanwhile: look again where it stands
├── Overloaded            try again later (HTTP 503); nothing was taken
├── EngineUnreachable     the engine does not answer
└── NotificationError
    ├── Undeliverable        this address will never work: the next channel now
    │   └── OptedOut         its owner has told the provider to stop: it is out until they write START
    ├── ProviderUnavailable  the provider refused for the moment: the next channel now
    └── OutcomeUnknown       nobody knows whether it left: the next channel now, and the provider is asked
"""


class TocsinError(Exception):
    """Base of all errors that Tocsin raises on purpose; str() is a sentence for people."""


class CommandRefused(TocsinError):
    """The rules say no. Nothing has changed."""


class UnknownIncident(TocsinError):
    """There is no incident with this id."""


class SignalRefused(TocsinError):
    """A sender's request is malformed. `problems` names each field."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class PlanInvalid(TocsinError):
    """The plan cannot be used. `problems` has one line a problem, each `file:line:column: sentence`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ConditionError(TocsinError):
    """A sentence of thresholds.yaml cannot be read. `line` and `column` count from 1 in its text, `offset` from 0."""

    def __init__(self, sentence: str, text: str, offset: int) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.offset = offset
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - text.rfind("\n", 0, offset)


class StaleDriver(TocsinError):
    """Another run drives this incident now."""


class CursorMoved(TocsinError):
    """Somebody else has read this source meanwhile; nothing of the batch was kept."""


class Overloaded(TocsinError):
    """Too much at once, or no disk: nothing was taken; come back in `retry_after` seconds."""

    def __init__(self, sentence: str, retry_after: int = 5) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class EngineUnreachable(TocsinError):
    """The engine does not answer at its address."""


class NotificationError(TocsinError):
    """A message did not leave, or nobody knows whether it did."""


class Undeliverable(NotificationError):
    """This address will never take this message."""


class OptedOut(Undeliverable):
    """The owner of this address has told the provider that they want no more messages."""


class ProviderUnavailable(NotificationError):
    """The provider refused for now. `retry_after` is its own wish in seconds, if it gave one; `passing` says that the
    same request may well be taken a moment later."""

    def __init__(self, sentence: str, retry_after: float | None = None, *, passing: bool = False) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after
        self.passing = passing or retry_after is not None


class OutcomeUnknown(NotificationError):
    """The call ended without an answer; the provider may or may not have accepted."""
