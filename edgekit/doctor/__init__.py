"""What this board and environment can and cannot do, told before anything crashes. Imports nothing compiled."""
