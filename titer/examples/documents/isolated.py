"""Reading documents in a process of their own, so that a hostile one cannot take this one down.

Invariant: every file is answered within the time limit, with its text or with a reason.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from titer.examples.documents.extracted import Extracted, Unreadable
from titer.examples.documents.reader import OUT_OF_MEMORY

MEMORY_MIB = 2048
"""Address space of the reading process; a PDF of 300 pages takes a tenth of it."""

_MODULE = "titer.examples.documents.reader"
_SOURCE = Path(__file__).parents[3]


class Reading:
    """A reading process, started when it is needed and replaced when it hangs or dies."""

    def __init__(self, *, timeout_s: float, max_pages: int, memory_mib: int = MEMORY_MIB) -> None:
        """Keep the limits.

        Args:
            timeout_s: seconds per file.
            max_pages: of a PDF.
            memory_mib: address space of the process.
        """
        self.timeout_s, self.max_pages, self.memory_mib = timeout_s, max_pages, memory_mib
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> Self:
        """Nothing runs yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        self._end()

    def read(self, path: Path) -> Extracted:
        """The text of a file.

        Raises:
            Unreadable: with the reason.
        """
        process = self._running()
        assert process.stdin is not None
        request = {"path": str(path.resolve()), "max_pages": self.max_pages}
        with suppress(BrokenPipeError):
            print(json.dumps(request), file=process.stdin, flush=True)
        try:
            line = self._answers.get(timeout=self.timeout_s)
        except queue.Empty:
            self._end()
            raise Unreadable("over the time limit", f"more than {self.timeout_s:g} s") from None
        if not line:
            self._end()
            raise Unreadable("unreadable", "it made the reading process fail")
        found: dict[str, Any] = json.loads(line)
        if found.get("reason") == OUT_OF_MEMORY:
            self._end()  # what is left of its memory is in pieces
        if "reason" in found:
            raise Unreadable(found["reason"], found["detail"])
        return Extracted.from_json(found)

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        known = os.environ.get("PYTHONPATH")
        paths = [str(_SOURCE), *([known] if known else [])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, str(self.memory_mib)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        self._answers = queue.Queue()
        arguments = (self._process.stdout, self._answers)
        threading.Thread(target=_pass_on, args=arguments, daemon=True).start()
        return self._process

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        with suppress(BrokenPipeError):
            self._process.stdin.close()  # type: ignore[union-attr]
        self._process = None


def _pass_on(lines: IO[str], answers: "queue.Queue[str]") -> None:
    """Every line of the process, and an empty one at its end."""
    with lines:
        for line in lines:
            answers.put(line)
    answers.put("")
