"""Memory that was freed goes back to the system."""

import ctypes

_library = ctypes.CDLL(None)  # glibc has both, other C libraries need them less
_trim, _set = getattr(_library, "malloc_trim", None), getattr(_library, "mallopt", None)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGE, KEPT = 1 << 20, 16 << 20


def set_large_apart() -> None:
    """Let arrays of more than a megabyte lie apart from the heap, so that they go back whole when they are freed.

    By itself glibc raises that bound to the largest array it has seen freed; with a million videos the next ones then
    fill the heap with holes, 25 MB of them in each worker. `KEPT` bytes at the heap's end may wait for their next use:
    setting the one bound would fix the other at 128 KB, which a few answers take and give.
    """
    if _set:
        _set(M_MMAP_THRESHOLD, LARGE)
        _set(M_TRIM_THRESHOLD, KEPT)


def give_back() -> None:
    """After a step that used much memory for a moment: building an engine leaves some 20 MB per 100,000 videos."""
    if _trim:
        _trim(0)
