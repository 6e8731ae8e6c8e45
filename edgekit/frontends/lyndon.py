"""Lyndon words and their brackets: the basis in which a log-signature is written.

A Lyndon word is smaller than each of its proper suffixes. Its standard bracketing splits it before its longest proper suffix that
is a Lyndon word: [w] = [[u], [v]]. Expanded into words, [w] is w plus larger words of the same letters, so the values of a Lie
element at the Lyndon words are its coordinates times a unitriangular matrix of integers (Reutenauer, "Free Lie Algebras", 1993,
theorems 4.9 and 5.1).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

__all__ = ["Word", "coordinates_from_values", "lyndon_words", "word_index"]

Word = tuple[int, ...]


@lru_cache(maxsize=16)
def lyndon_words(channels: int, depth: int) -> tuple[tuple[Word, ...], ...]:
    """Lyndon words over 0 ... channels - 1, for each length 1 to `depth` in lexicographic order, as iisignature lists them.

    Duval's algorithm ("Génération d'une section des classes de conjugaison", 1988): repeat the word up to `depth` letters, drop
    trailing largest letters, raise the last.
    """
    levels: list[list[Word]] = [[] for _ in range(depth)]
    word = [-1]
    while word:
        word[-1] += 1
        levels[len(word) - 1].append(tuple(word))
        word = [word[place % len(word)] for place in range(depth)]
        while word and word[-1] == channels - 1:
            word.pop()
    return tuple(tuple(level) for level in levels)


def word_index(word: Word, channels: int) -> int:
    """Place of a word among all words of its length."""
    index = 0
    for letter in word:
        index = index * channels + letter
    return index


@lru_cache(maxsize=32)
def coordinates_from_values(channels: int, level: int) -> np.ndarray:
    """(n, n) float64 of integers: coordinates of a Lie element of that level from its values at the n Lyndon words."""
    words = lyndon_words(channels, level)[-1]
    place = {word: row for row, word in enumerate(words)}
    matrix = np.zeros((len(words), len(words)))
    brackets: dict[Word, dict[Word, int]] = {}
    for column, word in enumerate(words):
        for other, coefficient in _bracket(word, brackets).items():
            if other in place:
                matrix[place[other], column] = coefficient
    inverse = np.rint(np.linalg.inv(matrix))  # of a unitriangular matrix of integers: integers
    inverse.flags.writeable = False
    return inverse


def _bracket(word: Word, known: dict[Word, dict[Word, int]]) -> dict[Word, int]:
    """The words of [w] = [[u], [v]] = [u][v] - [v][u] with their coefficients."""
    if len(word) == 1:
        return {word: 1}
    if word not in known:
        cut = next(start for start in range(1, len(word)) if _is_lyndon(word[start:]))
        total: dict[Word, int] = {}
        for left, one in _bracket(word[:cut], known).items():
            for right, two in _bracket(word[cut:], known).items():
                total[left + right] = total.get(left + right, 0) + one * two
                total[right + left] = total.get(right + left, 0) - one * two
        known[word] = total
    return known[word]


def _is_lyndon(word: Word) -> bool:
    return all(word < word[start:] for start in range(1, len(word)))
