"""How a stage ends when it is told to, or when the process that started it dies."""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

PR_SET_PDEATHSIG = 1
STARTED_BY = os.getppid()
"""The parent at the time of the import."""
TOLD = "error: told to stop. Run the same command again"
STOPPING = (signal.SIGTERM, signal.SIGINT)
"""What tells a process to stop: SLURM and a shutdown the one, Ctrl-C the other."""


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
    """Let SIGTERM and Ctrl-C end this process with a line.

    While it trains, SaveOnSignal sees to it. Nothing is cleaned up, as when it is killed: files are
    written whole or not at all.
    """
    for number in _heard():
        signal.signal(number, _end)


@contextlib.contextmanager
def handled_by(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Let a function take what tells this process to stop, for the time of the block."""
    before = {number: signal.signal(number, handler) for number in _heard()}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def end_without_a_word() -> None:
    """Let a further signal just end this process, which has said why it ends."""
    for number in _heard():
        signal.signal(number, signal.SIG_DFL)


def interrupted() -> int:
    """Tell of a Ctrl-C that came as KeyboardInterrupt; the exit code that a shell gives it."""
    end_without_a_word()
    print(f"{_start()}{TOLD}", file=sys.stderr)
    return 128 + signal.SIGINT


def _heard() -> list[signal.Signals]:
    """Without Ctrl-C in a process that a script began with `&`: it is for what runs before it."""
    return [number for number in STOPPING if signal.getsignal(number) != signal.SIG_IGN]


def _end(number: int, frame: Any) -> None:
    os.write(2, f"{_start()}{TOLD}\n".encode())
    os._exit(128 + number)


def _start() -> str:
    """In a terminal ^C stands on the line already, behind what a bar drew."""
    return "\n" if os.isatty(2) else ""
