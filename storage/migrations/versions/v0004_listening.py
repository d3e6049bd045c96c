"""Mentions, where each source stands, what the rules found, the detector's memory, customers' cases."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "mentions",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("heard_at", sa.Double, nullable=False),
        sa.Column("counted_at", sa.Double, nullable=False),
        sa.Column("thread", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("mentions_id", "mentions", ["source", "id", "brand"], unique=True)
    op.create_index("mentions_counted", "mentions", ["counted_at", "seq"])
    op.create_index("mentions_thread", "mentions", ["source", "thread"])
    op.create_index("mentions_brand", "mentions", ["brand", "seq"])
    op.create_table(
        "cursors",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("cursor", sa.Text),
        sa.Column("moved_at", sa.Double),
        sa.Column("polled_at", sa.Double),
        sa.Column("polled_by", sa.Text),
        sa.Column("trouble", sa.Text),
        sa.Column("trouble_since", sa.Double),
    )
    op.create_table(
        "assessments",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("incident_id", sa.Text),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("assessments_brand", "assessments", ["brand", "at"])
    op.create_index("assessments_incident", "assessments", ["incident_id"])
    op.create_table(
        "detectors",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("counted_at", sa.Double, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("rules", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "cases",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("mention", sa.Text, nullable=False),
        sa.Column("thread", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("answered_at", sa.Double),
        sa.Column("incident_id", sa.Text),
    )
    op.create_index("cases_thread", "cases", ["source", "thread"], unique=True)
    op.create_index("cases_waiting", "cases", ["brand", "answered_at", "opened_at"])
    op.create_index("cases_incident", "cases", ["incident_id"])
