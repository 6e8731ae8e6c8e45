from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.calibration import sample_digest, stratified_sample
from edgekit.errors import InputError


@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=200), n=st.integers(1, 250), seed=st.integers(0, 5))
def test_a_sample_holds_each_position_once_and_every_class_its_share(labels: list[int], n: int, seed: int) -> None:
    drawn = stratified_sample(labels, n, seed)
    assert len(drawn) == len(set(drawn)) == min(n, len(labels))
    assert drawn == sorted(drawn)
    have, counts = Counter(labels[i] for i in drawn), Counter(labels)
    if n >= len(counts):
        assert set(have) == set(counts)
    if n <= len(labels):
        for kind, count in counts.items():
            # A class that is given its first image takes it from another, so the bound is the number of classes.
            assert abs(have[kind] - count * n / len(labels)) < max(1, len(counts))


def test_another_seed_draws_another_sample() -> None:
    labels = [0, 1] * 100
    assert stratified_sample(labels, 20, 0) == stratified_sample(np.array(labels, np.int32), 20, 0)
    assert stratified_sample(labels, 20, 0) != stratified_sample(labels, 20, 1)


def test_more_than_there_are_gives_all() -> None:
    assert stratified_sample([1, 0, 1], 10, 3) == [0, 1, 2]


@pytest.mark.parametrize(("labels", "n", "seed"), [([], 1, 0), ([0], 0, 0), ([0], 1, -1)])
def test_a_sample_of_nothing_is_refused(labels: list[int], n: int, seed: int) -> None:
    with pytest.raises(InputError, match="Expected labels, n >= 1"):
        stratified_sample(labels, n, seed)


def test_the_draw_does_not_depend_on_hash_seeds() -> None:
    code = "from edgekit.calibration import stratified_sample as s; print(s([i % 7 for i in range(300)], 50, 4))"
    results = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert results == {f"{stratified_sample([i % 7 for i in range(300)], 50, 4)}\n"}


def test_a_digest_sees_values_and_shape_and_not_memory_layout() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert sample_digest(array) == sample_digest(np.asfortranarray(array)) == sample_digest(array.astype(">f4"))
    assert sample_digest(array) != sample_digest(array.reshape(3, 2))
    assert sample_digest(array) != sample_digest(array + 1)
    assert sample_digest(array, array) != sample_digest(array)
