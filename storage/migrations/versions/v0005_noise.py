"""Silences, kept signals, what inhibits, groups and storms, flapping keys, heartbeats."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for column in (
        sa.Column("ends_at", sa.Double),
        sa.Column("changes", sa.Text),
        sa.Column("flapping_since", sa.Double),
        sa.Column("said_firing", sa.Integer),
    ):
        op.add_column("open_keys", column)
    op.create_index("open_keys_ends", "open_keys", ["ends_at"], sqlite_where=sa.text("ends_at IS NOT NULL"))
    op.create_index(
        "open_keys_flapping", "open_keys", ["flapping_since"], sqlite_where=sa.text("flapping_since IS NOT NULL")
    )
    _silences()
    _storms()
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("heard_at", sa.Double),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("beats", sa.BigInteger, nullable=False),
    )


def _silences() -> None:
    op.create_table(
        "silences",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("matchers", sa.Text, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("because", sa.Text, nullable=False),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
        sa.Column("even_sev1", sa.Integer, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("ended_by", sa.Text),
    )
    op.create_index("silences_until", "silences", ["until"])
    op.create_table(
        "held",
        sa.Column("dedup_key", sa.Text, primary_key=True),
        sa.Column("integration", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("held_by", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("look_at", sa.Double, nullable=False),
        sa.Column("ends_at", sa.Double),
        sa.Column("first_at", sa.Double, nullable=False),
        sa.Column("last_at", sa.Double, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("signal", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("held_look_at", "held", ["look_at"])
    op.create_index("held_ends_at", "held", ["ends_at"])
    op.create_index("held_held_by", "held", ["held_by"])
    op.create_table(
        "inhibitors",
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("pair", sa.Text, primary_key=True),
        sa.Column("dedup_key", sa.Text, primary_key=True),
        sa.Column("severity", sa.Text, nullable=False),
    )
    op.create_index("inhibitors_dedup_key", "inhibitors", ["dedup_key"])


def _storms() -> None:
    op.create_table(
        "signal_groups",
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("integration", sa.Text, nullable=False),
        sa.Column("incident_id", sa.Text, nullable=False),
        sa.Column("keys", sa.Integer, nullable=False),
        sa.Column("last_at", sa.Double, nullable=False),
    )
    op.create_index("signal_groups_incident", "signal_groups", ["incident_id"])
    op.create_table(
        "signal_kinds",
        sa.Column("integration", sa.Text, primary_key=True),
        sa.Column("situation", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("last_at", sa.Double, nullable=False),
    )
    op.create_index("signal_kinds_last_at", "signal_kinds", ["last_at"])
    op.create_table(
        "rushes",
        sa.Column("integration", sa.Text, primary_key=True),
        sa.Column("minute_at", sa.Double, nullable=False),
        sa.Column("new_keys", sa.Integer, nullable=False),
        sa.Column("since", sa.Double),
        sa.Column("over_at", sa.Double),
    )
