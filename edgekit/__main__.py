"""`python -m edgekit`, for `torchrun -m edgekit train`."""

from edgekit.cli import main

main()
