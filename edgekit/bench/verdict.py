"""May the figures be believed? Throttling, a clock that dipped and windows that drifted make a run invalid, and say why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgekit.bench.host import State

__all__ = ["DRIFT", "advice_on", "reasons_against"]

#: Spread of the windows' medians from which a run is invalid.
DRIFT = 0.1

#: A clock under this share of the highest one seen during the run has dipped.
_CLOCK = 0.9


def reasons_against(states: Sequence[State], drifts: dict[str, float]) -> tuple[str, ...]:
    """Why the run is invalid; empty for a valid one.

    Args:
        states: before the first round and after each one.
        drifts: what was measured -> spread of its windows' medians.
    """
    return (*_throttling(states), *_clock_dip(states[1:]), *_drifted(drifts))


def advice_on(state: State) -> tuple[str, ...]:
    """What about the board makes figures worse or wavering, without making them wrong."""
    advice = []
    if state.governor not in (None, "performance"):
        advice.append(
            f"The clock is governed by {state.governor!r}, which may change it between queries; see: cpufreq-set -g performance"
        )
    if state.throttled_since_boot:
        advice.append(f"Since boot this board has known {_list(state.throttled_since_boot)}. Check its power supply and cooling.")
    if state.load is not None and state.load > 0.5:
        advice.append(f"Other programs were running when the measurement began (load {state.load:.1f}).")
    return tuple(advice)


def _throttling(states: Sequence[State]) -> Iterator[str]:
    now = frozenset().union(*(state.throttled or () for state in states))
    if now:
        yield f"Invalid: the board reported {_list(now)} during the measurement."
    first, last = states[0].throttled_since_boot, states[-1].throttled_since_boot
    if first is not None and last is not None and last - first - now:
        yield f"Invalid: the board came to know {_list(last - first - now)} during the measurement."


def _clock_dip(states: Sequence[State]) -> Iterator[str]:
    """Readings right after a round only: an idle clock before the first says nothing."""
    clocks = [max(state.clocks_mhz.values()) for state in states if state.clocks_mhz]
    if clocks and min(clocks) < _CLOCK * max(clocks):
        yield f"Invalid: the processor's clock fell from {max(clocks):.0f} to {min(clocks):.0f} MHz between windows."


def _drifted(drifts: dict[str, float]) -> Iterator[str]:
    for what, spread in drifts.items():
        if spread > DRIFT:
            yield f"Invalid: {what} drifted, its windows' medians lie {100 * spread:.0f} % apart (at most {100 * DRIFT:.0f} %)."


def _list(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
