"""Brings a database to this version's schema. Embedded mode does it at start; `tocsin migrate` does it by hand."""

import sqlite3
from pathlib import Path

from incidents.errors import TocsinError

HEAD = "0005"
_SCRIPTS = Path(__file__).parent / "migrations"


class SchemaTooNew(TocsinError):
    """The database was written by a newer Tocsin; this one appends nothing to it."""


def current_revision(path: Path) -> str | None:
    """The revision of the file, or None when it has no schema yet. Reads only."""
    if not path.exists():
        return None
    connection = sqlite3.connect(path)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None
    finally:
        connection.close()
    return None if row is None else str(row[0])


def migrate(path: Path) -> bool:
    """Bring the SQLite file at `path` to HEAD. Returns whether anything was done; the second call does nothing.

    Raises SchemaTooNew for a file of a later version; nothing has changed then.
    """
    current = current_revision(path)
    if current == HEAD:
        return False
    if current is not None and current > HEAD:
        raise SchemaTooNew(f"{path} has schema {current}; this Tocsin knows {HEAD} and leaves it alone.")
    _upgrade(path)
    return True


def _upgrade(path: Path) -> None:
    # Alembic and SQLAlchemy cost 0.4 s to import; an engine whose schema is current does without them.
    from alembic import command  # noqa: PLC0415 - start-up time, see above
    from alembic.config import Config  # noqa: PLC0415 - start-up time, see above
    from sqlalchemy import create_engine  # noqa: PLC0415 - start-up time, see above

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()
