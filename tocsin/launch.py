"""`python -m tocsin.launch COMMAND...`: becomes the command, as somebody who steps back for the engine.

Nice 10, first for the kernel's memory killer, and told to end when the supervisor dies.
"""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

NICE = 10
FIRST_TO_GO = "500"
_PR_SET_PDEATHSIG = 1


def step_back() -> None:
    """Yield the processor and the memory to the engine. What the system does not allow is left as it is."""
    with contextlib.suppress(OSError):
        os.nice(NICE)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, encoding="ascii")
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    step_back()
    os.execvp(sys.argv[1], sys.argv[1:])
