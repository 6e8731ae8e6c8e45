"""Networks in PyTorch, by name."""
