"""`python -m edgekit.doctor [--json]`: as `edgekit doctor`, with nothing but the standard library."""

import sys

__all__ = ["main"]


def main() -> int:
    """Print the report; the exit code is 1 when a check failed. Up to the version check, no newer syntax than Python 3.6 has."""
    if sys.version_info < (3, 10):  # noqa: UP036
        version = ".".join(map(str, sys.version_info[:2]))
        sys.stderr.write("error: Expected Python 3.10 to 3.13, got " + version + ". See docs/boards.md for this board.\n")
        return 1
    from edgekit.doctor.report import diagnose

    report = diagnose()
    if "--json" in sys.argv[1:]:
        import json

        print(json.dumps(report.to_json(), indent=1))
    else:
        print(report.to_text())
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
