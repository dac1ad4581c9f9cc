"""How a stage ends when it is told to, or when the process that started it dies."""

import ctypes
import os
import signal
import sys
from typing import Any

PR_SET_PDEATHSIG = 1
STARTED_BY = os.getppid()
"""The parent at the time of the import."""
TOLD = "error: told to stop. Run the same command again"


def follow_parent(number: signal.Signals) -> None:
    """Ask Linux to send this process a signal when the one that started it dies.

    Else a killed parent would leave processes that hold GPUs and write checkpoints. Linux tells of
    no death that came before it was asked, as one while this process still imports.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != STARTED_BY:
            os.kill(os.getpid(), number)


def stop_in_one_line() -> None:
    """Let SIGTERM end this process with a line; while it trains, SaveOnSignal sees to it.

    Nothing is cleaned up, as when it is killed: files are written whole or not at all.
    """
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: Any) -> None:
    os.write(2, f"{TOLD}\n".encode())
    os._exit(128 + number)
