"""Named points of the page path at which a test may end or stall this process, to prove that nothing is lost there.

`TOCSIN_FAULT="after claim:3:kill"` sends SIGKILL the third time that "after claim" is passed; `stop` sends SIGSTOP.
Without the variable a point costs one comparison.
"""

import os
import signal
from collections.abc import Callable

POINTS = (
    "before commit",
    "after commit",
    "after claim",
    "provider accepted",
    "before record",
    "during acknowledgement",
)


def checkpoint_from(setting: str | None) -> Callable[[str], None]:
    """The function to call at each point. Raises ValueError for a setting that names no point."""
    if not setting:
        return _pass
    point, _, rest = setting.partition(":")
    count, _, action = rest.partition(":")
    if point not in POINTS or not count.isdigit() or action not in ("kill", "stop"):
        raise ValueError(f"TOCSIN_FAULT={setting!r}: write <point>:<n>:kill|stop, with a point of {', '.join(POINTS)}")
    left = [int(count)]

    def checkpoint(passed: str) -> None:
        if passed != point:
            return
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGSTOP)

    return checkpoint


def _pass(_: str) -> None:
    return None
