"""What every command shares: the error boundary, the two output streams, the progress bar, the words of common options."""

from __future__ import annotations

import errno
import functools
import json
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from edgekit.cli.chatter import native_chatter_aside
from edgekit.errors import EdgekitError, MissingExtraError, UserError

__all__ = [
    "Bar",
    "Json",
    "Threads",
    "boundary",
    "existing",
    "log",
    "parse_items",
    "parse_numbers",
    "parse_size",
    "print_json",
    "print_table",
    "progress_bar",
]

F = TypeVar("F", bound=Callable[..., Any])

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; logs go to stderr.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads that the runtime may use.")]

_USER_ERROR = 2
_MOST_DIGITS = 18

#: What a disk or its rights refuse, and what a path itself makes impossible: a file among its folders, a name too long.
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG)
_NO_PATH = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)

#: What the workstation's commands import, and the extras that bring it; a board has none of it.
_EXTRAS = {
    "torch": "train,export",
    "safetensors": "train,export",
    "sklearn": "train,export",
    "matplotlib": "train,export",
    "jinja2": "train,export",
    "onnx": "train,export",
    "litert_torch": "train,export",
    "ai_edge_quantizer": "train,export",
}


def boundary(command: F) -> F:
    """Turn what may go wrong into one line on stderr and an exit code: 1 a gate; 2 the input, a full disk, an interrupt."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        previous = signal.signal(signal.SIGTERM, _interrupt)
        try:
            with native_chatter_aside():
                return command(*args, **kwargs)
        except EdgekitError as error:
            _fail(str(error), error.exit_code, error)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in _EXTRAS:
                raise
            missing = MissingExtraError(package, _EXTRAS[package])
            _fail(str(missing), missing.exit_code, error)
        except KeyboardInterrupt as error:
            _fail("Interrupted. Nothing was left half-written.", _USER_ERROR, error)
        except OSError as error:
            if error.errno in _NO_PATH and error.filename is not None:
                _fail(f"Expected another path than {error.filename}: {error.strerror}. Choose another.", _USER_ERROR, error)
            if error.errno not in _UNWRITABLE:
                raise
            where = f" ({error.filename})" if error.filename else ""
            _fail(
                f"Expected to be able to read and write: {error.strerror}{where}. Nothing was left half-written.",
                _USER_ERROR,
                error,
            )
        finally:
            signal.signal(signal.SIGTERM, previous)

    return wrapped  # type: ignore[return-value]


def log(text: str) -> None:
    """One line on stderr."""
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    """The one JSON document of a `--json` call. Non-finite numbers are not JSON and are refused."""
    typer.echo(json.dumps(value, indent=1, allow_nan=False))


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """A plain aligned table on stdout: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = [cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
        typer.echo("  ".join(cells).rstrip())


class Bar:
    """A progress bar on stderr, one line a stage; it satisfies `edgekit.training.progress.Progress`.

    It also remembers an interrupt: native converters swallow the KeyboardInterrupt that reaches them, so the next step raises it
    again.
    """

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._task: Any = None
        self._interrupted = False

    def interrupt(self, _signum: int, _frame: Any) -> None:
        """Signal handler."""
        self._interrupted = True
        raise KeyboardInterrupt

    def start(self, stage: str, total: int) -> None:
        """A stage begins."""
        self._check()
        self._task = self._bars.add_task(stage, total=total, note="")

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Steps of the stage are done."""
        self._check()
        self._bars.update(self._task, advance=steps, note=note)

    def _check(self) -> None:
        if self._interrupted:
            raise KeyboardInterrupt


@contextmanager
def progress_bar() -> Iterator[Bar]:
    """A `Bar` (drawn by rich) while the block runs; nothing is drawn where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as bars:
        bar = Bar(bars)
        previous = {number: signal.signal(number, bar.interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield bar
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def parse_size(text: str) -> tuple[int, int]:
    """Height and width from "64" or "48x64" (height x width)."""
    parts = text.lower().split("x")
    if len(parts) in (1, 2) and all(re.fullmatch("0*[1-9][0-9]{0,5}", part) for part in parts):
        return int(parts[0]), int(parts[-1])
    raise UserError(f"Expected HEIGHTxWIDTH such as 64x64, got {text!r}.")


def parse_items(option: str, text: str) -> list[str]:
    """The values of "a,b", each once; `option` names it in the error."""
    found = [item.strip() for item in text.split(",")]
    if not all(found):
        raise UserError(f"Expected values with a comma between them for {option}, got {text!r}.")
    return list(dict.fromkeys(found))


def parse_numbers(option: str, text: str) -> list[int]:
    """The whole numbers of "1,2", each once; `option` names it in the error."""
    found = parse_items(option, text)
    if not all(item.isdecimal() and len(item) <= _MOST_DIGITS for item in found):
        raise UserError(f"Expected whole numbers with a comma between them for {option}, got {text!r}.")
    return [int(item) for item in found]


def existing(path: Path, what: str) -> Path:
    """Return `path`, or raise the UserError that says it is absent."""
    if not path.exists():
        raise UserError(f"Expected {what} at {path}, found nothing there.")
    return path


def _interrupt(_signum: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def _fail(message: str, code: int, cause: BaseException) -> NoReturn:
    line = " ".join(message.split())
    typer.echo(f"error: {line}", err=True)
    raise typer.Exit(code) from cause
