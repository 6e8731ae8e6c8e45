"""What this board and environment can and cannot do, told before anything crashes.

Nothing compiled is loaded: facts come from /proc, /sys, package metadata and the binaries' own headers; each runtime is tried
in a process of its own. `python -m edgekit.doctor` does without the command line's packages, too.
"""
