"""`python -m edgekit`, for `torchrun -m edgekit train`."""

from edgekit.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
