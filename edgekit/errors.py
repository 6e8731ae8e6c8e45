"""Every error edgekit raises on purpose.

    EdgekitError
    ├── UserError                what the user passed is wrong                    exit code 2
    │   ├── DataError            a data set: folders, classes, counts
    │   │   └── ImageError       one image that cannot be decoded
    │   ├── InputError           an array of the wrong shape, dtype or name
    │   ├── BundleError          a bundle that is damaged, unsafe or of another schema
    │   │   └── SignatureError   one that is unsigned, or not by the key that was asked for
    │   ├── ModelError           a model file that cannot be loaded or does not fit its front end
    │   ├── UnknownNameError     a network, front end, runtime, ... that does not exist
    │   └── MissingExtraError    a package that is not installed; says the pip line
    └── GateError                a gate (parity, accuracy) was missed             exit code 1

A message says what was expected, what came and what to do, in one line.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "BundleError",
    "DataError",
    "EdgekitError",
    "GateError",
    "ImageError",
    "InputError",
    "MissingExtraError",
    "ModelError",
    "SignatureError",
    "UnknownNameError",
    "UserError",
]


class EdgekitError(Exception):
    """Base of all errors of this package. `exit_code` is what the command line exits with."""

    exit_code = 1


class UserError(EdgekitError):
    """What the user passed is wrong."""

    exit_code = 2


class DataError(UserError):
    """A data set cannot be used as it is."""


class ImageError(DataError):
    """One image cannot be decoded."""


class InputError(UserError):
    """An array has the wrong name, shape or dtype."""


class BundleError(UserError):
    """A bundle is damaged, unsafe, or written by another schema."""


class SignatureError(BundleError):
    """A bundle is unsigned, signed by another key, or was changed since."""


class ModelError(UserError):
    """A model file cannot be loaded, or does not fit what is around it."""


class UnknownNameError(UserError):
    """A name that is not in its registry; the message lists the known ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"Unknown {kind} {name!r}. Known: {', '.join(sorted(known))}.")


class MissingExtraError(UserError):
    """An optional package is not installed (or not usable); the message holds the pip line."""

    def __init__(self, what: str, extra: str, reason: str = "is not installed") -> None:
        super().__init__(f"{what} {reason}. Install it with: pip install 'edgekit[{extra}]'")


class GateError(EdgekitError):
    """A result was computed and is not good enough. Nothing was written."""

    exit_code = 1
