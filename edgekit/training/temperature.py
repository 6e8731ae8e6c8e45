"""Temperature scaling: one number that makes probabilities honest (Guo et al. 2017, arXiv:1706.04599, section 4.2)."""

from __future__ import annotations

import numpy as np

from edgekit.errors import InputError

__all__ = ["BOUNDS", "fit_temperature", "negative_log_likelihood"]

BOUNDS = (0.05, 20.0)
_STEPS = 60
_GOLDEN = (5**0.5 - 1) / 2


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature T in `BOUNDS` that minimises the negative log-likelihood of softmax(logits / T).

    The likelihood has one maximum in 1 / T (it is concave there), so a golden-section search over log T finds it.

    Args:
        logits: (N, C) float, of the validation split.
        targets: (N,) integer class indices.

    Returns:
        T in `BOUNDS`; the upper or lower bound where the data want more (all right: the lower).

    Raises:
        InputError: on no examples or logits that are not finite.
    """
    if len(logits) == 0 or not np.isfinite(logits).all():
        raise InputError(f"Expected finite logits of at least one example, got shape {logits.shape}.")
    low, high = np.log(BOUNDS[0]), np.log(BOUNDS[1])
    for _ in range(_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        at_left = negative_log_likelihood(logits, targets, float(np.exp(left)))
        if at_left <= negative_log_likelihood(logits, targets, float(np.exp(right))):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def negative_log_likelihood(logits: np.ndarray, targets: np.ndarray, temperature: float = 1.0) -> float:
    """Mean of -log softmax(logits / temperature)[target], in nats.

    Args:
        logits: (N, C) float.
        targets: (N,) integer class indices.
        temperature: > 0.
    """
    scaled = np.asarray(logits, np.float64) / temperature
    shifted = scaled - scaled.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(log_sum - shifted[np.arange(len(targets)), targets]))
