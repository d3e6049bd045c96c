"""What strangers wrote is read in a process of its own, which is killed when its time is over.

No limit on a text's size bounds the time that its parsing takes. A thread can be neither stopped nor kept from holding
up the loop, and an engine that ends would wait for it.
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from incidents.errors import TocsinError

_LIMITS = """
import os, resource, sys
seconds, memory = int(sys.argv[1]), int(sys.argv[2])
# Whatever becomes of the engine, this ends by itself.
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
os.nice(10)  # pages come first
"""
_ROOT = Path(__file__).resolve().parents[1]
"""Where our packages lie, installed or in a checkout."""
_KEPT = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONTZPATH", "TZ", "LANG", "LC_ALL")
"""What the process is told of our environment: our secrets stand there too."""


class NotRead(TocsinError):
    """A sentence that begins after "It": why there is no answer. Nothing of what was read stands in it."""


async def answer(code: str, question: bytes, *, seconds: float, memory: int) -> bytes:
    """What `code` writes to its output when `question` is its input. Cancelling it ends the process.

    `code` is Python that imports what it needs: not a module run by its name, whose imports would be ours. `seconds`
    bound wall clock and computing time, `memory` is bytes of address space. Raises NotRead and nothing else.
    """
    try:
        reader = await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "utf8", "-c", _LIMITS + code, str(max(round(seconds), 1)), str(memory)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # what it says of an error may quote what it read
            cwd=_ROOT,
            env={name: os.environ[name] for name in _KEPT if name in os.environ} | {"PYTHONPATH": str(_ROOT)},
        )
    except OSError as error:
        raise NotRead(f"cannot be read: no process starts ({error.strerror or type(error).__name__}).") from error
    try:
        async with asyncio.timeout(seconds):
            said, _ = await reader.communicate(question)
    except TimeoutError as error:
        raise NotRead(f"cannot be read within {seconds:.0f} s.") from error
    finally:
        if reader.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                reader.kill()
            await reader.wait()
    if reader.returncode != 0:
        raise NotRead(f"cannot be read: whatever read it ended with {reader.returncode}.")
    return said
