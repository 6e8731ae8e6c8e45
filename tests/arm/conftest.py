"""These tests are for arm64: `make test-arm`, or pytest on a board. Elsewhere the other folders hold the same ground."""

from __future__ import annotations

import platform

collect_ignore_glob = [] if platform.machine() in ("aarch64", "arm64") else ["test_*.py"]
