"""Gives memory that was freed back to the kernel.

glibc keeps what a program frees, and each thread that allocates has an arena of its own. After a publish with dozens of
threads and the packing of archives, a waiting workspace holds what nothing uses (malloc_trim(3), mallopt(3)).
"""

import ctypes
import gc
from functools import cache
from typing import Any


@cache
def _trim() -> Any:
    """Returns glibc's malloc_trim; None with another C library."""
    try:
        return getattr(ctypes.CDLL(None), "malloc_trim", None)
    except (OSError, TypeError):
        return None


def give_back() -> bool:
    """Gives free memory back, in some milliseconds. Returns whether there was any."""
    gc.collect()
    trim = _trim()
    return bool(trim(0)) if trim is not None else False
