"""Latency on this machine: measured by stage, with the state of the board before and after."""
