"""Silence around converters that print: progress to stdout, C++ logging to stderr, warnings about their own internals."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator

__all__ = ["quiet"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within the block nothing reaches stdout, stderr, logging handlers or warning filters; exceptions pass.

    Works at the level of file descriptors 1 and 2, because the TFLite converter logs from C++. It is process-wide: other
    threads are silent too, so keep the block around the third-party call and nothing else.
    """
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), _descriptors_to_null():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@contextlib.contextmanager
def _descriptors_to_null() -> Iterator[None]:
    _flush()
    saved = [(fd, os.dup(fd)) for fd in (1, 2) if _is_open(fd)]
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        with open(os.devnull, "w") as sink, contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            for fd, _ in saved:
                os.dup2(null, fd)
            yield
    finally:
        _flush()
        for fd, copy in saved:
            os.dup2(copy, fd)
            os.close(copy)
        os.close(null)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
