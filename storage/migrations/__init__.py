"""Alembic migrations: forward only, expand then contract."""
