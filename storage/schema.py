"""The tables, once, for SQLite and PostgreSQL; migrations/ brings a database there, forward only.

Times in columns are seconds since the epoch (UTC) as double precision: comparable in both databases. The log's own
times stand in the event bodies.
"""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, Table, Text, text

metadata = MetaData()

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

events = Table(
    "events",
    metadata,
    Column("incident_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("schema", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("number", BigInteger, nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("situation", Text, nullable=False),
    Column("drill", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("commander", Text),
    Column("plan_version", Text, nullable=False),
    Column("declared_at", Double, nullable=False),
    Column("next_update_by", Double),
    Column("next_due_at", Double),
    Column("is_open", Integer, nullable=False),
    Column("quarantined", Text),
    Index("incidents_next_due_at", "next_due_at"),
    Index("incidents_is_open", "is_open", "number"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("incident_id", Text, nullable=False),
    Column("escalation", Text),
    Column("kind", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("contact", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("drill", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("claim", Text),
    Column("lease_until", Double),
    Column("attempts", Integer, nullable=False),
    Column("provider_id", Text),
    Column("detail", Text),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("provider", Text),
    Column("bundle", Text),
    Index("outbox_bundle", "bundle"),
    Index("outbox_state", "state", "priority", "due_at"),
    Index("outbox_incident", "incident_id"),
    Index("outbox_address", "address", "created_at"),
)

open_keys = Table(
    "open_keys",
    metadata,
    Column("dedup_key", Text, primary_key=True),
    Column("incident_id", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_at", Double, nullable=False),
    Column("last_at", Double, nullable=False),
    Column("firing", Integer, nullable=False),
    Column("severity", Text, nullable=False),
    Column("ends_at", Double),
    Column("changes", Text),
    Column("flapping_since", Double),
    Column("said_firing", Integer),
    Index("open_keys_incident", "incident_id"),
    Index("open_keys_ends", "ends_at", sqlite_where=text("ends_at IS NOT NULL")),
    Index("open_keys_flapping", "flapping_since", sqlite_where=text("flapping_since IS NOT NULL")),
)

signals = Table(
    "signals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("dedup_key", Text, nullable=False),
    Column("incident_id", Text, nullable=False),
    Column("integration", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("signals_incident", "incident_id"),
)

commands = Table(
    "commands",
    metadata,
    Column("command_id", Text, primary_key=True),
    Column("incident_id", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("at", Double, nullable=False),
)

plans = Table(
    "plans",
    metadata,
    Column("version", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("stored_at", Double, nullable=False),
)

directories = Table(
    "directories",
    metadata,
    Column("version", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("stored_at", Double, nullable=False),
)

drivers = Table(
    "drivers",
    metadata,
    Column("incident_id", Text, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("worker", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("runs", Integer, nullable=False),
    Column("live", Integer, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("seen_at", Double, nullable=False),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("contact", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("p256dh", Text, nullable=False),
    Column("auth", Text, nullable=False),
    Column("since", Double, nullable=False),
)

reply_codes = Table(
    "reply_codes",
    metadata,
    Column("address", Text, primary_key=True),
    Column("code", Integer, primary_key=True),
    Column("incidents", Text, nullable=False),
    Column("made_at", Double, nullable=False),
    sqlite_with_rowid=False,
)

addresses_out = Table(
    "addresses_out",
    metadata,
    Column("address", Text, primary_key=True),
    Column("since", Double, nullable=False),
    Column("because", Text, nullable=False),
)

proofs = Table(
    "proofs",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("contact", Text, nullable=False),
    Column("code", Text),
    Column("asked_at", Double),
    Column("proven_at", Double),
    Index("proofs_code", "code"),
)

calendars = Table(
    "calendars",
    metadata,
    Column("schedule", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("read_at", Double, nullable=False),
    Column("trouble", Text),
    Column("trouble_since", Double),
)

mentions = Table(
    "mentions",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("heard_at", Double, nullable=False),
    Column("counted_at", Double, nullable=False),
    Column("thread", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("mentions_id", "source", "id", "brand", unique=True),
    Index("mentions_counted", "counted_at", "seq"),
    Index("mentions_thread", "source", "thread"),
    Index("mentions_brand", "brand", "seq"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("source", Text, primary_key=True),
    Column("cursor", Text),
    Column("moved_at", Double),
    Column("polled_at", Double),
    Column("polled_by", Text),
    Column("trouble", Text),
    Column("trouble_since", Double),
)

assessments = Table(
    "assessments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("brand", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("incident_id", Text),
    Column("severity", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("assessments_brand", "brand", "at"),
    Index("assessments_incident", "incident_id"),
)

detectors = Table(
    "detectors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("counted_at", Double, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("rules", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

cases = Table(
    "cases",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("mention", Text, nullable=False),
    Column("thread", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("answered_at", Double),
    Column("incident_id", Text),
    Index("cases_thread", "source", "thread", unique=True),
    Index("cases_waiting", "brand", "answered_at", "opened_at"),
    Index("cases_incident", "incident_id"),
)

silences = Table(
    "silences",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("matchers", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("because", Text, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("until", Double, nullable=False),
    Column("even_sev1", Integer, nullable=False),
    Column("ended_at", Double),
    Column("ended_by", Text),
    Index("silences_until", "until"),
)

held = Table(
    "held",
    metadata,
    Column("dedup_key", Text, primary_key=True),
    Column("integration", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("held_by", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("look_at", Double, nullable=False),
    Column("ends_at", Double),
    Column("first_at", Double, nullable=False),
    Column("last_at", Double, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("severity", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("signal", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("held_look_at", "look_at"),
    Index("held_ends_at", "ends_at"),
    Index("held_held_by", "held_by"),
)

inhibitors = Table(
    "inhibitors",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("pair", Text, primary_key=True),
    Column("dedup_key", Text, primary_key=True),
    Column("severity", Text, nullable=False),
    Index("inhibitors_dedup_key", "dedup_key"),
)

signal_groups = Table(
    "signal_groups",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("integration", Text, nullable=False),
    Column("incident_id", Text, nullable=False),
    Column("keys", Integer, nullable=False),
    Column("last_at", Double, nullable=False),
    Index("signal_groups_incident", "incident_id"),
)

signal_kinds = Table(
    "signal_kinds",
    metadata,
    Column("integration", Text, primary_key=True),
    Column("situation", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("severity", Text, nullable=False),
    Column("last_at", Double, nullable=False),
    Index("signal_kinds_last_at", "last_at"),
)

rushes = Table(
    "rushes",
    metadata,
    Column("integration", Text, primary_key=True),
    Column("minute_at", Double, nullable=False),
    Column("new_keys", Integer, nullable=False),
    Column("since", Double),
    Column("over_at", Double),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("heard_at", Double),
    Column("since", Double, nullable=False),
    Column("beats", BigInteger, nullable=False),
)
