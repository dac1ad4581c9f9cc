"""Main memory that this process may still take: of the machine, of its container, of its shell.

Invariant: the least of what three parties leave. A container's limit and `ulimit -v` are in no
figure that the machine gives of itself.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc/self")
CGROUPS = Path("/sys/fs/cgroup")
UNLIMITED_BYTES = 1 << 60
"""Beyond it a limit of version 1 says that there is none (it holds the largest number of pages)."""


def available_bytes(proc: Path = PROC, cgroups: Path = CGROUPS) -> float:
    """Bytes of main memory that this process may still take.

    Args:
        proc: the process's folder of proc(5).
        cgroups: where the system keeps control groups, of version 1 or 2 (cgroups(7)).
    """
    import psutil  # type: ignore[import-untyped]

    machine = float(psutil.virtual_memory().available)
    return max(0.0, min(machine, *_left_by_groups(proc, cgroups), addresses_left_bytes()))


def _left_by_groups(proc: Path, cgroups: Path) -> Iterator[float]:
    """What every control group above this process leaves: limit less use, kept files given back."""
    try:
        lines = (proc / "cgroup").read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds not in ("", "memory"):
            continue
        root, names = (
            (cgroups / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes"))
            if kinds
            else (cgroups, ("memory.max", "memory.current"))
        )
        inner = root / path.lstrip("/")
        # inside a container the path is often that of the host, and its own group is the root
        for folder in dict.fromkeys((inner, *inner.parents, root)):
            if folder.is_relative_to(root):
                yield from _left(folder, *names)


def _left(folder: Path, limit_name: str, used_name: str) -> Iterator[float]:
    try:
        limit, used = (folder / limit_name).read_text(), (folder / used_name).read_text()
        stat = (folder / "memory.stat").read_text()
    except OSError:
        return
    if limit.strip() == "max" or int(limit) >= UNLIMITED_BYTES:
        return
    # version 1 counts the groups below in a line of its own; there it is the one to take
    kept: dict[str, str] = dict(re.findall(r"^(\w+) (\d+)$", stat, re.MULTILINE))
    given_back = int(kept.get("total_inactive_file", kept.get("inactive_file", "0")))
    yield float(int(limit) - int(used) + given_back)


def addresses_left_bytes() -> float:
    """Addresses that this process may still take under `ulimit -v`; infinite without a limit."""
    import psutil

    try:
        import resource
    except ImportError:  # Windows
        return math.inf
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return math.inf
    return float(limit - int(psutil.Process().memory_info().vms))
