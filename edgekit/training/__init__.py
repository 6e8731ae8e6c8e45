"""Training: data sets, augmentation, losses, the loop."""
