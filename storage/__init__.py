"""The log, the outbox and the read models in SQL. One writer thread, group commit, no transaction across an await."""
