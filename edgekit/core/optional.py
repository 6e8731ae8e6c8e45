"""Optional packages: imported where they are needed, with one worded error where they are missing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from edgekit.errors import MissingExtraError

__all__ = ["has_module", "require"]


def require(module: str, extra: str, what: str | None = None) -> ModuleType:
    """Import `module`, or raise the error that tells how to install it.

    Args:
        module: dotted module name, e.g. "ai_edge_litert.interpreter".
        extra: the extra of edgekit that brings it.
        what: the name to show, where the package's own name says more than the module's.

    Raises:
        MissingExtraError: when the package is absent, or present but not loadable here.
    """
    shown = what or module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(shown, extra) from error
    except (ImportError, OSError, AttributeError) as error:
        raise MissingExtraError(shown, extra, f"is installed but does not load here ({_first_line(error)})") from error


def has_module(module: str) -> bool:
    """True when `module` could be imported, without importing it."""
    try:
        return find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
