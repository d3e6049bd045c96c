"""`prefect` with one correction, for a Prefect server on SQLite: `python -m flows.prefect_server server start`.

Prefect 3.8.8 begins its writing transactions with BEGIN DEFERRED. One that has read before it writes fails at once with
"database is locked" when anything was committed in between; the server answers 503 and its client sleeps 2, 4, 8 s.
Measured with 30 runs started at once: worst first line after 53 s and 35 requests repeated; with BEGIN IMMEDIATE, which
waits for its turn, 9.5 s and none.
"""

from contextlib import AbstractAsyncContextManager
from typing import Any

from prefect.cli import app
from prefect.server.database.configurations import AioSqliteConfiguration

_as_prefect_begins = AioSqliteConfiguration.begin_transaction


def begin_at_once(
    self: AioSqliteConfiguration, session: Any, with_for_update: bool = False
) -> AbstractAsyncContextManager[Any]:
    """Take the write lock at the beginning, whether or not the caller knows yet that it will write."""
    return _as_prefect_begins(self, session, with_for_update=True)


def main() -> None:
    AioSqliteConfiguration.begin_transaction = begin_at_once  # type: ignore[assignment, method-assign]  # the correction
    app()


if __name__ == "__main__":
    main()
