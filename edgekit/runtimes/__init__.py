"""Engines behind one face. See `edgekit.runtimes.base.Runtime`."""

from edgekit.runtimes.base import RUNTIME_FORMATS, Runtime
from edgekit.runtimes.open import installed_runtimes, open_runtime

__all__ = ["RUNTIME_FORMATS", "Runtime", "installed_runtimes", "open_runtime"]
