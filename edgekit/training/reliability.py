"""How far probabilities can be trusted: calibration error, and which answers are better withheld."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.errors import InputError

__all__ = ["BINS", "Answers", "Reliability", "answers_at", "answers_of_precision", "reliability"]

#: As in Guo et al. 2017.
BINS = 15


@dataclass(frozen=True)
class Reliability:
    """What the best probability promises, and what it keeps; bins without examples are left out.

    Attributes:
        ece: expected calibration error, 0 to 1: sum over bins of (count / N) |accuracy - confidence| (Guo et al. 2017,
            arXiv:1706.04599, equation 3).
        confidence: (B,) mean best probability of each bin.
        accuracy: (B,) share of right labels of each bin.
        count: (B,) examples in it.
    """

    ece: float
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    count: tuple[int, ...]


@dataclass(frozen=True)
class Answers:
    """What is left when answers below a threshold are withheld.

    Attributes:
        threshold: least best probability of an answer, 0 to 1.
        coverage: share of examples that are answered, 0 to 1.
        precision: share of right labels among those, None where nothing is answered.
    """

    threshold: float
    coverage: float
    precision: float | None


def reliability(targets: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> Reliability:
    """Reliability of the best probabilities, in bins of equal width.

    Args:
        targets: (N,) integer class indices, N > 0.
        probabilities: (N, C) float, 0 to 1.
        bins: how many.

    Raises:
        InputError: on probabilities that leave 0 to 1.
    """
    from sklearn.calibration import calibration_curve

    confidence, right = _best(targets, probabilities)
    accuracy, mean = calibration_curve(right, confidence, n_bins=bins)
    # The bins of calibration_curve, which does not say how full they are.
    counts = np.bincount(np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence), minlength=bins)
    counts = counts[counts > 0]
    ece = float(np.average(np.abs(accuracy - mean), weights=counts))
    return Reliability(ece, tuple(mean.tolist()), tuple(accuracy.tolist()), tuple(counts.tolist()))


def answers_at(targets: np.ndarray, probabilities: np.ndarray, threshold: float) -> Answers:
    """Coverage and precision when only best probabilities of at least `threshold` are answered; arrays as for `reliability`."""
    confidence, right = _best(targets, probabilities)
    answered = confidence >= threshold
    precision = float(right[answered].mean()) if answered.any() else None
    return Answers(threshold, float(answered.mean()), precision)


def answers_of_precision(targets: np.ndarray, probabilities: np.ndarray, precision: float) -> Answers:
    """The lowest threshold that gives the wanted precision: the most answers that are right so often.

    Args:
        targets: (N,) class indices of a validation set, N > 0; never of the test set.
        probabilities: (N, C) by a network that was not trained on these.
        precision: share of right labels wanted among the answers, above 0 to 1.

    Raises:
        InputError: on a precision out of range, or one that no threshold gives.
    """
    from sklearn.metrics import precision_recall_curve

    if not 0 < precision <= 1:
        raise InputError(f"Expected a precision of answers above 0 to 1, got {precision}.")
    confidence, right = _best(targets, probabilities)
    if not right.any():
        raise InputError("Expected a network that is right on the validation split at times, it never is. Train longer.")
    # The "positives" are the right answers: precision at a threshold is the share of them among the answers from it on.
    found, _, thresholds = precision_recall_curve(right, confidence)
    good = np.flatnonzero(found[:-1] >= precision)
    if not len(good):
        best = int(found[:-1].argmax())
        reached = answers_at(targets, probabilities, float(thresholds[best]))
        raise InputError(
            f"Expected a threshold at which {precision:.4g} of the answers are right on the validation split, the best is "
            f"{found[best]:.4f} at {100 * reached.coverage:.1f} % answered. Ask for less, or train a better network."
        )
    # Where every answer may be given, none is withheld from less sure ones to come.
    return answers_at(targets, probabilities, float(thresholds[good[0]]) if good[0] else 0.0)


def _best(targets: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) best probability and (N,) bool, whether its class is the right one."""
    confidence = np.asarray(probabilities, np.float64).max(axis=1)
    # A softmax in float32 may end a rounding above 1.
    if not (len(confidence) and confidence.min() >= 0 and confidence.max() <= 1 + 1e-5):
        raise InputError("Expected probabilities between 0 and 1 of at least one example. Pass softmax outputs, not scores.")
    return np.minimum(confidence, 1.0), probabilities.argmax(axis=1) == targets
