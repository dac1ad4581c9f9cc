"""Memory that is freed goes back to the system, so that a process takes what its tensors take.

glibc raises the size from which a block is a mapping of its own each time such a block is freed, up
to 32 MiB, and then keeps freed tensors in its heap, whose holes fit no aligned block of the same
size: a training on a CPU took up to 1.9 times what it used.
"""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt, by malloc.h."""
BLOCK_BYTES = 128 * 1024
"""What glibc itself begins with; set by hand it stays."""


def can_give_back() -> bool:
    """Whether this process uses glibc's allocator, which can be told."""
    return hasattr(ctypes.CDLL(None), "mallopt")


def give_back_freed_memory() -> bool:
    """Tell the allocator for the rest of this process; whether it took it."""
    if not can_give_back():
        return False
    set_to = ctypes.CDLL(None).mallopt
    return bool(set_to(M_MMAP_THRESHOLD, BLOCK_BYTES) and set_to(M_TRIM_THRESHOLD, BLOCK_BYTES))
