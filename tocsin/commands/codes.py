"""The exit codes of every command; other programs rely on them."""

DONE, REFUSED, USAGE, UNREACHABLE, PLAN_INVALID = 0, 1, 2, 3, 4
