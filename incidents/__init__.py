"""The core: what an incident is, what has happened to it, and what a command makes happen. Pure: no I/O, no clock."""
