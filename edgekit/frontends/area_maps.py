"""From area sums to the signature and log-signature of a path in three dimensions: constant matrices.

Notation: x(t) in R^3 from the origin to X; Omega_ij = x_i dx_j - x_j dx_i, C_ij(t) its integral up to t; over the whole path

    A_p = int Omega_p,   M_kp = int x_k Omega_p,   Q_klp = int x_k x_l Omega_p,   B_pq = int C_p dC_q,   p, q in (12, 20, 01).

The straight line back from X to the origin adds nothing to any of them, so they are those of the loop that it closes. Integrating
by parts around the loop, where x ends at 0, and leaving out exact forms (x_i x_j dx_k = d(x_i x_j x_k) / 3 + ...),

    L_ij   = C_ij / 2,      L_ijk = (M_i,jk + M_j,ik) / 6 - M_k,ij / 2,
    L_ijkl = -(Q_ij,lk + Q_lj,ik + Q_li,jk) / 8 - B_ij,lk / 4 + Q_lk,ij / 4

is the signature of the loop, and that of the path is S = L (x) exp(X). Because L begins with level 2, Baker-Campbell-Hausdorff
stops early: log S = X + l_2 + (l_3 + [l_2, X] / 2) + (l_4 + [l_3, X] / 2 + [X, [X, l_2]] / 12) + ..., where l = log L: l_2 = L_2,
l_3 = L_3, and l_4 is L_4 without the part of B that is symmetric in p and q.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import product

import numpy as np

__all__ = ["LOG_SUMS", "SUMS", "log_levels", "loop_levels"]

#: Where the sums stand: A (3), 2 M (9, k-major), 6 Q (18, product-major), B_pq for p < 2 (6), A_2 A_q (3).
_A, _M, _Q, _B, _SQUARES = 0, 3, 12, 30, 36
#: How many there are, and how many with the products that the log-signature takes beside them.
SUMS, LOG_SUMS = 39, 102
_AX, _MX, _AXX = slice(39, 48), slice(48, 75), slice(75, 102)

_LETTERS = range(3)

_PAIRS = {(1, 2): 0, (2, 0): 1, (0, 1): 2}
#: Order of the products x_k x_l: squares, then neighbours around the circle.
_PRODUCTS = {frozenset(pair): place for place, pair in enumerate(((0,), (1,), (2,), (0, 1), (1, 2), (2, 0)))}


def _pair(i: int, j: int) -> tuple[int, float]:
    """Index p and sign of Omega_ij; sign 0 for i = j."""
    if (i, j) in _PAIRS:
        return _PAIRS[i, j], 1.0
    return _PAIRS.get((j, i), 0), 0.0 if i == j else -1.0


def _area(i: int, j: int) -> np.ndarray:
    place, sign = _pair(i, j)
    return sign * _unit(_A + place)


def _first_moment(k: int, i: int, j: int) -> np.ndarray:
    place, sign = _pair(i, j)
    return sign / 2 * _unit(_M + 3 * k + place)


def _second_moment(k: int, l: int, i: int, j: int) -> np.ndarray:  # noqa: E741 - the formula's index
    place, sign = _pair(i, j)
    return sign / 6 * _unit(_Q + 3 * _PRODUCTS[frozenset((k, l))] + place)


def _area_of_areas(i: int, j: int, k: int, l: int) -> np.ndarray:  # noqa: E741 - the formula's index
    """B_pq; by parts B_2q = A_2 A_q - B_q2 and B_22 = A_2^2 / 2."""
    (p, one), (q, two) = _pair(i, j), _pair(k, l)
    if p < 2:
        row = _unit(_B + 3 * p + q)
    elif q < 2:
        row = _unit(_SQUARES + q) - _unit(_B + 3 * q + p)
    else:
        row = _unit(_SQUARES + 2) / 2
    return one * two * row


def _unit(place: int) -> np.ndarray:
    row = np.zeros(SUMS)
    row[place] = 1.0
    return row


def _antisymmetric_area_of_areas(i: int, j: int, k: int, l: int) -> np.ndarray:  # noqa: E741 - the formula's index
    """(B_pq - B_qp) / 2."""
    return (_area_of_areas(i, j, k, l) - _area_of_areas(k, l, i, j)) / 2


def _second() -> np.ndarray:
    """L_2, (3, 3, 39)."""
    return np.array([[_area(i, j) / 2 for j in _LETTERS] for i in _LETTERS])


def _third() -> np.ndarray:
    """L_3, (3, 3, 3, 39)."""
    rows = [
        (_first_moment(i, j, k) + _first_moment(j, i, k)) / 6 - _first_moment(k, i, j) / 2
        for i, j, k in product(_LETTERS, repeat=3)
    ]
    return np.array(rows).reshape(3, 3, 3, SUMS)


def _fourth(area_of_areas: Callable[[int, int, int, int], np.ndarray]) -> np.ndarray:
    """L_4, (3, 3, 3, 3, 39); l_4 with the antisymmetric part of B."""
    rows = [
        -(_second_moment(i, j, l, k) + _second_moment(l, j, i, k) + _second_moment(l, i, j, k)) / 8
        - area_of_areas(i, j, l, k) / 4
        + _second_moment(l, k, i, j) / 4
        for i, j, k, l in product(_LETTERS, repeat=4)  # noqa: E741 - the formula's index
    ]
    return np.array(rows).reshape(3, 3, 3, 3, SUMS)


@lru_cache(maxsize=1)
def loop_levels() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """L_2 (9, 39), L_3 (27, 39) and L_4 (81, 39) of the loop from the sums, float64."""
    return _second().reshape(9, SUMS), _third().reshape(27, SUMS), _fourth(_area_of_areas).reshape(81, SUMS)


@lru_cache(maxsize=1)
def log_levels() -> tuple[np.ndarray, ...]:
    """Levels of log S of the path: 2 to 4 as (9, 102), (27, 102) and (81, 102), float64.

    The columns: the sums (39), A (x) X (9), 2 M (x) X (27), A (x) X (x) X (27).
    """
    one = np.eye(3)
    second, third, fourth = _second(), _third(), _fourth(_antisymmetric_area_of_areas)
    areas, moments = second[..., _A:_M], third[..., _M:_Q]
    levels = []
    for tensor in (second, third, fourth):
        full = np.zeros((tensor.size // SUMS, LOG_SUMS))
        full[:, :SUMS] = tensor.reshape(-1, SUMS)
        levels.append(full)
    bracket = np.einsum("ijp,kx->ijkpx", areas, one) - np.einsum("jkp,ix->ijkpx", areas, one)
    levels[1][:, _AX] = bracket.reshape(27, 9) / 2
    bracket = np.einsum("ijkm,lx->ijklmx", moments, one) - np.einsum("jklm,ix->ijklmx", moments, one)
    levels[2][:, _MX] = bracket.reshape(81, 27) / 2
    twice = (
        np.einsum("klp,ix,jy->ijklpxy", areas, one, one)
        - 2 * np.einsum("jkp,ix,ly->ijklpxy", areas, one, one)
        + np.einsum("ijp,kx,ly->ijklpxy", areas, one, one)
    )
    levels[2][:, _AXX] = twice.reshape(81, 27) / 12
    return tuple(levels)
