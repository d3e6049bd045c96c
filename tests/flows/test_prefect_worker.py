"""The worker at its post in Prefect: what it does before it takes up runs of incidents."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest

from flows import prefect_worker
from flows.crew import Crew
from flows.prefect_worker import Post


async def never(_deployment: UUID) -> None:
    await asyncio.Event().wait()


async def refused(_deployment: UUID) -> None:
    raise httpx.ConnectError("refused")


def post(*, listens: bool = False) -> Post:
    return Post(cast(Crew, SimpleNamespace(listens=listens)), "worker")


@pytest.mark.parametrize("trouble", [never, refused])
async def test_incidents_do_not_wait_for_a_run_of_listen_that_cannot_be_made(
    trouble: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(prefect_worker, "listen_now", trouble)
    monkeypatch.setattr(prefect_worker, "LISTEN_WITHIN", 0.01)
    await post()._begin_to_listen(uuid4())
    assert "the engine listens until the next one" in caplog.text


async def test_a_run_that_is_carried_is_not_relieved_by_a_new_beginning(monkeypatch: pytest.MonkeyPatch):
    made: list[UUID] = []

    async def makes(deployment: UUID) -> None:
        made.append(deployment)

    monkeypatch.setattr(prefect_worker, "listen_now", makes)
    await post(listens=True)._begin_to_listen(uuid4())
    assert made == []
    await post()._begin_to_listen(uuid4())
    assert len(made) == 1
