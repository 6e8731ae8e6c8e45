"""What the daemon says no to, and why. The words of these errors go to the client: no path, no version, no trace in them.

EdgekitError
└── Refusal
    ├── UnknownModel     no model of that name (or version) is served
    ├── NotReady         the model exists and is not loaded now
    ├── Busy             its queue, or the memory for bodies, is full; says when to come again
    ├── Expired          the deadline passed first
    ├── TooLarge         a body, picture or tensor above its limit
    ├── Unsupported      a content type or encoding, or a part of the protocol, that is not spoken here
    ├── BadRequest       not as the protocol has it
    ├── Unauthorized     no token, or a wrong one
    ├── Denied           an admin call without the right to it
    └── LoadFailed       a bundle that was refused; what was served before still is
"""

from __future__ import annotations

from edgekit.errors import BundleError, EdgekitError, GateError, MissingExtraError, ModelError, SignatureError

__all__ = [
    "BadRequest",
    "Busy",
    "Denied",
    "Expired",
    "LoadFailed",
    "NotReady",
    "Refusal",
    "TooLarge",
    "Unauthorized",
    "UnknownModel",
    "Unsupported",
    "reason_of",
]

#: What a client may know of a refused bundle; the log has the rest.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (SignatureError, "it is not signed by the key that is asked for"),
    (GateError, "its golden vectors come out differently on this board"),
    (MissingExtraError, "no runtime for it is installed"),
    (ModelError, "its model does not run here, or does not fit its front end"),
    (BundleError, "it is damaged, absent or of another schema"),
)


class Refusal(EdgekitError):
    """Base of what is answered instead of a result."""


class UnknownModel(Refusal):
    """No model of that name or version."""


class NotReady(Refusal):
    """The model is not loaded now.

    Attributes:
        retry_after_s: seconds after which to look again.
    """

    retry_after_s = 5


class Busy(Refusal):
    """No room now.

    Attributes:
        retry_after_s: seconds after which there should be.
    """

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Expired(Busy):
    """The deadline passed before the result was there."""


class TooLarge(Refusal):
    """Above a limit."""


class Unsupported(Refusal):
    """Not spoken here."""


class BadRequest(Refusal):
    """Not as the protocol has it."""


class Unauthorized(Refusal):
    """No token, or a wrong one."""


class Denied(Refusal):
    """An admin call without the right to it."""


class LoadFailed(Refusal):
    """A bundle was refused."""


def reason_of(error: Exception) -> str:
    """Why a bundle was refused, in words for clients."""
    return next((text for kind, text in _REASONS if isinstance(error, kind)), "it could not be loaded")
