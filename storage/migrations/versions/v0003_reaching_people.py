"""Which provider carries a message, what is told together, reply codes, numbers taken out, proofs, calendars."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("provider", sa.Text))
    op.add_column("outbox", sa.Column("bundle", sa.Text))
    op.create_index("outbox_bundle", "outbox", ["bundle"])
    op.create_table(
        "reply_codes",
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("code", sa.Integer, primary_key=True),
        sa.Column("incidents", sa.Text, nullable=False),
        sa.Column("made_at", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "addresses_out",
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("because", sa.Text, nullable=False),
    )
    op.create_table(
        "proofs",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("contact", sa.Text, nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("asked_at", sa.Double),
        sa.Column("proven_at", sa.Double),
    )
    op.create_index("proofs_code", "proofs", ["code"])
    op.create_table(
        "calendars",
        sa.Column("schedule", sa.Text, primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("read_at", sa.Double, nullable=False),
        sa.Column("trouble", sa.Text),
        sa.Column("trouble_since", sa.Double),
    )
