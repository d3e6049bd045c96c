"""The migrations and schema.py say the same; a newer file is left alone."""

import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from storage.migrate import HEAD, SchemaTooNew, current_revision, migrate
from storage.schema import metadata


def test_the_migrations_end_at_the_schema(tmp_path):
    migrate(tmp_path / "tocsin.db")
    engine = create_engine(f"sqlite:///{tmp_path / 'tocsin.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_a_fresh_file_is_brought_to_the_head_once(tmp_path):
    path = tmp_path / "tocsin.db"
    assert current_revision(path) is None
    assert migrate(path)
    assert current_revision(path) == HEAD
    assert not migrate(path)


def test_a_file_of_a_later_version_is_left_alone(tmp_path):
    path = tmp_path / "tocsin.db"
    migrate(path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(SchemaTooNew, match="9999"):
        migrate(path)
    assert current_revision(path) == "9999"
