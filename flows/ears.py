"""The sources that a worker listens at, built once and kept between runs, and who sits at them: one run at a time.

Nothing here imports Prefect: what a person sees of it in Prefect's pages is the concern of `flows.listen`. What is read
goes to the engine with the cursor that it was read from; whatever ends a sitting, nothing is lost and nothing doubled.
"""

import asyncio
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import fields
from pathlib import Path
from typing import Any

from engine.client import Address, EngineClient, Sources, SourceStand, batch, sources, trouble
from engine.clock import Clock, SystemClock
from flows.hints import Asks
from incidents.errors import CursorMoved, EngineUnreachable, Overloaded, TocsinError
from listening.build import build_sources
from listening.session import listen
from listening.source import Batch, Source, SourceFailed
from signals.listening import Listening
from signals.mention import Mention

AT_ONCE = 200
"""Mentions in one request to the engine."""
BYTES_AT_ONCE = 500_000
"""Bytes of JSON in one request with more than one mention; the engine takes 1 MB."""
ENGINE_AWAY = 2.0
"""Seconds after which an engine that did not take a batch is offered it again."""
GIVES_BACK = 1.0
"""Seconds after which a source is read on that the engine has just read; who else reads it is left an interval."""
LEAVE_WITHIN = 10.0
"""Seconds that a sitting may take to end, once it has been told to."""

logger = logging.getLogger(__name__)


class Ending:
    """Told once, from wherever, why something ends."""

    def __init__(self) -> None:
        self.because = ""
        self._told = asyncio.Event()

    def end(self, because: str) -> None:
        """A second call does nothing."""
        if not self._told.is_set():
            self.because = because
            self._told.set()

    @property
    def told(self) -> bool:
        return self._told.is_set()

    async def within(self, seconds: float) -> bool:
        """Wait until it is told, or so many seconds; says whether it is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._told.wait()
        return self.told


class Ears:
    """One worker's. `by` names who reads: `flow:<worker>`."""

    def __init__(self, engine: Asks, clock: Clock, worker: str, environment: Mapping[str, str] | None = None) -> None:
        self.engine = engine
        self.clock = clock
        self.by = f"flow:{_name(worker)}"
        self._environment = os.environ if environment is None else environment
        self._built_from: tuple[str | None, Path | None] = (None, None)
        self._sources: list[Source] = []
        self._seat = asyncio.Lock()
        self._sitting: Ending | None = None

    @asynccontextmanager
    async def seat(self) -> AsyncIterator[Ending]:
        """Sit down: who sits here already is told to end, and waited for. Ends when it is told so itself."""
        mine = Ending()
        if self._sitting is not None:
            self._sitting.end("relieved: another run listens")
        self._sitting = mine
        try:
            async with self._seat:
                yield mine
        finally:
            if self._sitting is mine:
                self._sitting = None

    def end(self, because: str) -> None:
        """Whoever sits here ends. Does nothing when nobody does."""
        if self._sitting is not None:
            self._sitting.end(because)

    async def sources_of(self, known: Sources) -> Sequence[Source]:
        """The sources of the plan that the engine has in force; the same objects until the plan changes."""
        if (known.listening, known.folder) != self._built_from:
            await self.close()
            if known.listening is not None:
                # In a thread: importing the networks' clients takes seconds, and runs of incidents live in this loop.
                self._sources = await asyncio.to_thread(self._build, known.listening, known.folder)
            self._built_from = (known.listening, known.folder)
        return self._sources

    def _build(self, listening: str, folder: Path | None) -> list[Source]:
        plan = Listening.model_validate_json(listening)
        return build_sources(plan, self._environment, self.clock.now, folder)

    async def close(self) -> None:
        """Let go of the sources. They are built anew when somebody sits down again."""
        leaving, self._sources, self._built_from = self._sources, [], (None, None)
        for source in leaving:
            with suppress(Exception):
                await source.close()


EARS: ContextVar[Ears] = ContextVar("ears")


@asynccontextmanager
async def ears_here() -> AsyncIterator[Ears]:
    """The worker's; a run that no worker of ours carries opens its own from TOCSIN_HOME."""
    carried = EARS.get(None)
    if carried is not None:
        yield carried
        return
    home = Path(os.environ.get("TOCSIN_HOME", ".tocsin"))
    async with EngineClient(Address.of_home(home)) as engine:
        own = Ears(engine, SystemClock(), f"{socket.gethostname()}-{os.getpid()}")
        try:
            yield own
        finally:
            await own.close()


class Listener:
    """Sits at one source until it is told to end; knows how far it has come."""

    def __init__(self, source: Source, engine: Asks, by: str, stand: SourceStand | None) -> None:
        self.source = source
        self.heard = 0
        """Mentions that the source brought."""
        self.kept = 0
        """Of these, new ones that concern our brands."""
        self.trouble: str | None = None
        self._engine = engine
        self._by = by
        self._stand = stand
        self._cursor = None if stand is None else stand.cursor
        self._moved_at = None if stand is None or stand.moved_at is None else stand.moved_at.timestamp()

    async def attend(self, ending: Ending, clock: Clock) -> None:
        """Read, hand over, wait an interval, until `ending` is told. Raises nothing: trouble is told to the engine."""
        await ending.within(self._to_wait(clock))
        while not ending.told:
            wait = await self._sit(ending, clock)
            await ending.within(wait)

    async def _sit(self, ending: Ending, clock: Clock) -> float:
        """One sitting; gives the seconds until the next one."""
        every = self.source.every.total_seconds()
        sitting = asyncio.ensure_future(self._listen(clock))
        told = asyncio.ensure_future(ending.within(10**9))
        try:
            await asyncio.wait({sitting, told}, return_when=asyncio.FIRST_COMPLETED)
            for each in (sitting, told):
                each.cancel()
            await asyncio.gather(told, return_exceptions=True)
            await sitting
        except asyncio.CancelledError:
            if not ending.told:
                raise
            return 0.0
        except CursorMoved:
            return await self._look_again(clock)
        except SourceFailed as error:
            return await self._in_trouble(str(error), error.retry_after)
        except (EngineUnreachable, Overloaded) as error:
            logger.info("what %s brought is read again: %s", self.source.name, error)
            return float(getattr(error, "retry_after", ENGINE_AWAY))
        except TocsinError as error:
            return await self._in_trouble(f"The engine does not take what it brings: {error}", None)
        except Exception:
            logger.exception("source %s broke", self.source.name)
            return await self._in_trouble("an error of ours; the worker's log has it", None)
        finally:
            sitting.cancel()
            told.cancel()
        return every

    async def _listen(self, clock: Clock) -> None:
        async def take(found: Batch, before: str | None) -> None:
            await self._take(found, before, clock)

        await listen(self.source, self._cursor, take, lasting=10**9)

    async def _take(self, found: Batch, before: str | None, clock: Clock) -> None:
        """All parts but the last leave the cursor where it was: after a kill between them they come again."""
        for mentions, last in parts(found.mentions):
            after = found.cursor if last else before
            self.kept += await self._engine.ask(batch(self.source.name, before, after, mentions, by=self._by))
        if found.cursor != before:
            self._moved_at = clock.now().timestamp()
        self._cursor = found.cursor
        self.heard += len(found.mentions)
        self.trouble = None

    async def _look_again(self, clock: Clock) -> float:
        """Somebody else has read it: where it stands now. Gives the seconds after which it is ours again."""
        try:
            stand = (await self._engine.ask(sources())).stand(self.source.name)
        except TocsinError:
            return ENGINE_AWAY
        if stand is None:
            return self.source.every.total_seconds()  # the plan has changed: the run will be told
        self._stand, self._cursor = stand, stand.cursor
        ours = stand.polled_by in ("engine", self._by)
        return max(GIVES_BACK if ours else self.source.every.total_seconds(), self._to_wait(clock))

    def _to_wait(self, clock: Clock) -> float:
        """Seconds for which the network wants to be left alone, as far as the engine knows."""
        if self._stand is None or self._stand.not_before is None:
            return 0.0
        return max(0.0, (self._stand.not_before - clock.now()).total_seconds())

    async def _in_trouble(self, because: str, retry_after: float | None) -> float:
        self.trouble = because
        logger.warning("source not read source=%s because=%s", self.source.name, because)
        with suppress(TocsinError):
            told = None if retry_after is None else min(max(retry_after, 0.0), 86_400.0)
            await self._engine.ask(trouble(self.source.name, _clean(because)[:500] or "unknown", told))
        return max(retry_after or 0.0, self.source.every.total_seconds())

    def sentence(self, clock: Clock) -> str:
        """How far it has come, for people."""
        heard = f"{self.heard} mentions, {self.kept} of them new and about us"
        if self.trouble is not None:
            return f"cannot be read: {self.trouble} ({heard})"
        if self._moved_at is None:
            return f"{heard}; nothing has come yet"
        return f"{heard}; the last came {max(0.0, clock.now().timestamp() - self._moved_at):.0f} s ago"


def parts(mentions: Sequence[Mention]) -> Iterator[tuple[list[dict[str, Any]], bool]]:
    """A batch in requests of bounded size, and which one is the last. An empty batch is one request: it was read."""
    part: list[dict[str, Any]] = []
    size = 0
    for mention in mentions:
        said = as_json(mention)
        length = len(json.dumps(said))
        if part and (len(part) >= AT_ONCE or size + length > BYTES_AT_ONCE):
            yield part, False
            part, size = [], 0
        part.append(said)
        size += length
    yield part, True


def as_json(mention: Mention) -> dict[str, Any]:
    """As `POST /api/v1/sources/{name}/batch` takes it; what the network does not tell is left out."""
    said = {each.name: getattr(mention, each.name) for each in fields(Mention) if each.name not in ("source", "at")}
    kept = {name: _clean(value) for name, value in said.items() if name == "text" or value not in (None, "", False)}
    return {**kept, "at": mention.at.isoformat()}


def _clean(value: Any) -> Any:
    """JSON has no halves of characters."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _name(worker: str) -> str:
    return "".join(each if each.isascii() and (each.isalnum() or each in "._-") else "-" for each in worker)[:80]
