"""What the daemon asks of its process before it starts: memory that stays, and files enough for its connections."""

from __future__ import annotations

import ctypes
import resource
import sys

__all__ = ["allow_open_files", "keep_freed_memory"]

#: Of mallopt(3), in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3

#: Bytes free at a heap's end that stay there, and bytes of one piece of memory that gets a mapping of its own.
_KEPT = 8 << 20
_OWN_MAPPING = 4 << 20


def keep_freed_memory() -> None:
    """Let glibc keep a few megabytes for the next request, where it gave them back after each one.

    A parsed tensor of 120 KB of JSON takes 2 MB for a moment. To have the kernel clear these pages anew cost a fifth of the
    request's time. Other C libraries are left alone.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _OWN_MAPPING)


def allow_open_files(count: int) -> None:
    """Raise the soft limit of open files (systemd's default is 1,024) to this many, or to the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
