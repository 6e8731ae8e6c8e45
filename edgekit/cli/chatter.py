"""Keep what native libraries print on stderr out of the user's sight, unless something goes wrong that nobody foresaw."""

from __future__ import annotations

import io
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from edgekit.errors import EdgekitError

__all__ = ["native_chatter_aside"]


@contextmanager
def native_chatter_aside() -> Iterator[None]:
    """Send file descriptor 2 to a temporary file while the block runs; Python's own stderr goes on as before.

    LiteRT announces its delegate there at every start, with no switch to stop it. An exception that nobody foresaw brings what
    was printed back, in front of the traceback. Pillow logs some damages that it raises as well: our one line says them.
    """
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    stream = sys.stderr
    if not isinstance(stream, io.TextIOWrapper) or stream is not sys.__stderr__:
        yield
        return
    stream.flush()
    with tempfile.TemporaryFile() as aside, os.fdopen(os.dup(2), "w", buffering=1) as real:
        os.dup2(aside.fileno(), 2)
        sys.stderr = real
        try:
            yield
        except (EdgekitError, OSError):
            raise
        except Exception:
            aside.seek(0)
            shutil.copyfileobj(aside, real.buffer)
            raise
        finally:
            sys.stderr = stream
            real.flush()
            os.dup2(real.fileno(), 2)
