"""What was done to an int8 file that missed its gate, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator

from edgekit.core.manifest import Parity
from edgekit.exporters.mixed import Mixed

__all__ = ["mixed_lines"]

_SHOWN = 5


def mixed_lines(done: Mixed) -> Iterator[str]:
    """What int8 lost, which layers are in float now, what that costs in bytes and time, and the layers that int8 hurts most.

    Args:
        done: of one file.
    """
    if not done.layers:
        yield f"{done.file}: int8 throughout passes its gate ({_score(done.before)}), no layer is in float."
        return
    yield (
        f"{done.file}: int8 throughout missed its gate ({_score(done.before)}), the file passes ({_score(done.after)}) on "
        f"{done.after[0].n} images that were not searched on."
    )
    yield f"{done.file}: in float {', '.join(done.layers)}; {_minimal(done)}. {_price(done)}"
    plain, *alone = done.effects
    worst = [f"{effect.layer} {effect.spoilt_db:.1f}, {effect.sqnr_db:.1f}" for effect in alone[:_SHOWN]]
    yield (
        f"{done.file}: SQNR {plain.sqnr_db:.1f} dB with no layer in float. The layers that spoil most, in dB with it alone in "
        f"int8, and with it alone in float: {'; '.join(worst)}."
    )


def _minimal(done: Mixed) -> str:
    """What is known of fewer layers; one alone is needed because the file without it is int8 throughout."""
    if len(done.layers) == 1:
        return "without it the file misses its gate"
    asked = "" if done.asked_db == -math.inf else f", asked for {done.asked_db:.1f} dB there, too"
    return f"without any one of them it fails on the images searched on{asked}"


def _score(parities: tuple[Parity, ...]) -> str:
    worst = min(parities, key=lambda parity: parity.agreement)
    accuracy = "" if worst.accuracy is None else f", accuracy {100 * worst.accuracy:.1f} %"
    return f"agreement {100 * worst.agreement:.1f} %{accuracy} on {worst.runtime}"


def _price(done: Mixed) -> str:
    more = done.bytes[0] - done.bytes[1]
    text = f"That costs {more:+,} bytes ({done.bytes[0]:,})"
    if done.times_ms is None:
        return f"{text}."
    mixed, plain, float32 = done.times_ms
    return f"{text}; {mixed:.3f} ms here, {plain:.3f} in int8 throughout, {float32:.3f} in float32."
