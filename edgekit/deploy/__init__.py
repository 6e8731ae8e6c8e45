"""Onto a board: which boards there are, which wheels run on them, and the folder that installs them offline. Needs no NumPy."""
