"""The crisis plan as data, and the one pure function that says what is due: `next_moves`."""
