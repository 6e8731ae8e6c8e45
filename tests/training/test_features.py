"""Features: cached ones equal fresh ones, damaged caches are recomputed, unreadable images are named."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import DataError
from edgekit.frontends import Signature
from edgekit.frontends.image import decode
from edgekit.training import cache
from edgekit.training.data import scan
from edgekit.training.features import _workable, augmented_features, check_colour, plain_features
from edgekit.training.progress import Silent

FRONTEND = Signature(size=(20, 20), depth=2)


class Counting(Silent):
    """Counts what it is told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.steps = 0

    def start(self, stage: str, total: int) -> None:
        self.stages.append((stage, total))

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps += steps


@pytest.fixture
def examples(split_folder):
    return scan(split_folder).train


def augmented(examples, **changes):
    settings = {"policy": "photo", "copies": 3, "seed": 0, "spread": np.ones(12, np.float32), **changes}
    return augmented_features(examples, FRONTEND, Silent(), **settings)


def test_plain_features_are_those_of_the_front_end_in_order(examples):
    features, single_tint = plain_features(examples, FRONTEND, Silent())
    np.testing.assert_array_equal(features, [FRONTEND.raw(decode(e.path)) for e in examples])
    assert features.dtype == np.float32
    assert not single_tint.any()


def test_cached_features_equal_fresh_ones_and_cost_no_computation(examples):
    first, second = Counting(), Counting()
    fresh, _ = plain_features(examples, FRONTEND, first)
    known, _ = plain_features(examples, FRONTEND, second)
    np.testing.assert_array_equal(fresh, known)
    assert (first.stages, first.steps) == ([("features", 24)], 24)
    assert second.steps == 0
    assert len(list(cache.cache_folder().glob("*.npz"))) == 1


def test_augmented_copies_repeat_with_their_seed_and_differ_between_seeds_and_copies(examples, monkeypatch, tmp_path):
    one = augmented(examples)
    assert one.shape == (72, 20, 12)
    assert one.dtype == np.float16
    assert not np.array_equal(one[0], one[1])
    assert not np.array_equal(one, augmented(examples, seed=1))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    np.testing.assert_array_equal(one, augmented(examples))


def test_augmented_copies_of_an_image_do_not_depend_on_the_others(examples):
    np.testing.assert_array_equal(augmented(examples)[3:6], augmented(examples[1:2]))


def test_a_picture_of_few_pixels_is_enlarged_before_it_is_turned_and_large_ones_reduced():
    small, wide = np.zeros((8, 30, 3), np.uint8), np.zeros((300, 400, 3), np.uint8)
    assert _workable(small, (20, 20)).shape == (20, 30, 3)
    assert _workable(wide, (20, 20)).shape == (80, 80, 3)
    assert _workable(wide, (200, 200)) is wide


def test_copies_that_change_nothing_have_the_plain_features_over_the_spread(examples):
    plain, _ = plain_features(examples, FRONTEND, Silent())
    spread = plain.reshape(-1, 12).std(axis=0)
    copies = augmented(examples, policy="none", copies=1, spread=spread)
    np.testing.assert_allclose(copies, plain / spread, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    "damage", [lambda p: p.write_bytes(b""), lambda p: p.write_bytes(b"PK rubbish"), None], ids=["empty", "rubbish", "missing"]
)
def test_a_damaged_cache_file_is_computed_anew(examples, damage):
    fresh, _ = plain_features(examples, FRONTEND, Silent())
    (path,) = cache.cache_folder().glob("*.npz")
    if damage is None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    else:
        damage(path)
    again = Counting()
    np.testing.assert_array_equal(plain_features(examples, FRONTEND, again)[0], fresh)
    assert again.steps == 24
    silent = Counting()
    plain_features(examples, FRONTEND, silent)
    assert silent.steps == 0


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(examples, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(plain_features(examples, FRONTEND, Silent())[0]) == 24


def test_the_cache_throws_its_oldest_files_away(monkeypatch):
    monkeypatch.setattr(cache, "LIMIT_BYTES", 6000)
    for i in range(4):
        cache.cached(f"key{i}", lambda: {"x": np.zeros(500, np.float32)})
    assert len(list(cache.cache_folder().glob("*.npz"))) == 2
    assert (cache.cache_folder() / "key3.npz").exists()


def test_unreadable_images_are_named_up_to_five_and_counted(split_folder):
    for i in range(7):
        (split_folder / "train" / "red" / f"broken{i}.png").write_bytes(b"no image %d" % i)
    with pytest.raises(DataError, match=r"found 7 of 31 that cannot: .*broken0\.png.*broken4\.png.* and 2 more\.") as error:
        plain_features(scan(split_folder).train, FRONTEND, Silent())
    assert "broken5" not in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(DataError, match="found 7 of 31"):
        augmented(scan(split_folder).train)


def test_mostly_grey_images_are_refused_on_the_path_of_colours_alone():
    mostly, few = np.array([True, True, False]), np.array([True, False, False])
    with pytest.raises(DataError, match=r"found 2 of 3 in one tint.*Pass --path grey\+time"):
        check_colour(Signature(path="rgb"), mostly)
    check_colour(Signature(path="rgb"), few)
    check_colour(Signature(path="grey+time"), mostly)
