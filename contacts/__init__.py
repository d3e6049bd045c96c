"""Who can be reached, how, in what order and with what authority. Pure: a versioned snapshot, no I/O."""
