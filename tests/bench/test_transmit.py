from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from edgekit.bench.frontends import HEADER, measure_frontends, steps, table
from edgekit.bench.transmit import choose_packing, jpeg_bytes, png_bytes
from edgekit.errors import ImageError, InputError
from edgekit.frontends import ColourEdges, Hog, Pixels, Signature, Sobel, SobelBinary, create_frontend

pytestmark = pytest.mark.device


def unpacked(sent: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(sent)))


def photos(rng: np.random.Generator, count: int = 3, size: int = 40) -> np.ndarray:
    """(count, size, size, 3) uint8: a few large blots."""
    coarse = rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(size // 4, axis=1).repeat(size // 4, axis=2)


def test_colour_edges_come_back_from_their_png_without_loss(rng):
    front = ColourEdges((40, 40))
    sample = front(photos(rng))
    packing = choose_packing(front.output, sample, front.feature_axis)
    sent, zeros = packing.pack(sample[0])
    assert packing.name == "PNG RGB"
    np.testing.assert_allclose(unpacked(sent).transpose(2, 0, 1) / 255, sample[0], atol=1e-6)
    assert zeros == np.mean(sample[0] == 0)


def test_activations_come_back_from_their_png_in_8_bits(rng):
    front = Sobel((40, 40))
    sample = front(photos(rng))
    sent, zeros = choose_packing(front.output, sample, front.feature_axis).pack(sample[1])
    np.testing.assert_allclose(unpacked(sent).transpose(2, 0, 1) / 255, sample[1], atol=0.5 / 255 + 1e-6)
    assert zeros > 0.5  # that of flat parts is 0.001
    assert np.count_nonzero(sample) == sample.size


def test_a_binary_map_is_sent_with_one_bit_a_pixel_channel_after_channel(rng):
    front = SobelBinary((40, 40))
    sample = front(photos(rng))
    packing = choose_packing(front.output, sample, front.feature_axis)
    sent, _ = packing.pack(sample[2])
    assert packing.name == "PNG 1-bit"
    assert Image.open(io.BytesIO(sent)).mode == "1"
    np.testing.assert_array_equal(unpacked(sent).reshape(3, 40, 40), sample[2])


def test_a_map_of_one_channel_is_a_grey_png(rng):
    front = Hog((40, 40))
    sample = front(photos(rng))
    packing = choose_packing(front.output, sample, front.feature_axis)
    assert packing.name == "PNG grey"
    np.testing.assert_allclose(unpacked(packing.pack(sample[0])[0]) / 255, sample[0, 0], atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize("front", [Signature((40, 40)), Pixels((40, 40), scale=1.0)])
def test_features_that_are_no_picture_are_sent_as_compressed_int8_of_the_standardised_features(rng, front):
    sample = front.raw(photos(rng))
    packing = choose_packing(front.output, sample, front.feature_axis)
    sent, zeros = packing.pack(sample[0])
    assert packing.name == "zlib int8"
    values = np.frombuffer(zlib.decompress(sent), np.int8).reshape(front.output.shape)
    mean, deviation = sample.reshape(-1, sample.shape[-1]).mean(axis=0), sample.reshape(-1, sample.shape[-1]).std(axis=0)
    expected = np.clip((sample[0] - mean) / np.maximum(deviation, 1e-9), -4, 4)
    np.testing.assert_allclose(values * (4 / 127), expected, atol=0.5 * 4 / 127 + 1e-3)
    assert zeros == np.mean(values == 0)


def test_an_image_is_a_png_without_loss_and_a_smaller_jpeg(rng):
    image = photos(rng, 1)[0]
    np.testing.assert_array_equal(unpacked(png_bytes(image)), image)
    assert Image.open(io.BytesIO(jpeg_bytes(image))).size == (40, 40)


@pytest.fixture
def folder(tmp_path, rng):
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path, image in zip(paths, photos(rng, 5), strict=True):
        Image.fromarray(image).save(path)
    return paths


def test_every_front_end_is_measured_on_the_same_images(folder):
    fronts = [Pixels((20, 20)), Sobel((20, 20)), SobelBinary((30, 30))]
    seen = []
    document = measure_frontends(fronts, folder, 64, 0, lambda: seen.append(1))
    assert len(seen) == steps(fronts, len(folder)) == 8
    assert document["images"] == 5
    pixels, sobel, binary = document["frontends"]
    assert pixels["bytes"] == pixels["image_png_bytes"] == sobel["image_png_bytes"]
    assert binary["image_png_bytes"] > sobel["image_png_bytes"]
    assert sobel["sparsity"] == 0
    assert 0.3 < sobel["sparsity_8bit"] < 1
    assert binary["sparsity"] == pytest.approx(binary["sparsity_8bit"])
    assert all(row["median_ms"] > 0 for row in document["frontends"])
    rows = table(document["frontends"])
    assert [row[0] for row in rows] == ["pixels", "sobel", "sobel-binary"]
    assert all(len(row) == len(HEADER) for row in rows)


def test_the_sample_is_drawn_by_its_seed(folder):
    def figures(seed: int) -> float:
        return measure_frontends([Sobel((20, 20))], folder, 1, seed)["frontends"][0]["sparsity_8bit"]

    assert figures(3) == figures(3)
    assert len({figures(seed) for seed in range(8)}) > 1


def test_a_file_that_is_no_image_is_named(tmp_path, folder):
    (tmp_path / "x.png").write_text("no image")
    with pytest.raises(ImageError, match="x.png"):
        measure_frontends([Sobel()], [tmp_path / "x.png"], 4, 0)


def test_a_front_end_of_windows_is_refused(folder):
    with pytest.raises(InputError, match="sensor windows"):
        measure_frontends([create_frontend("samples")], folder, 4, 0)


def test_photographs_are_sparser_and_smaller_the_more_a_map_leaves_out(shared):
    paths = sorted((shared / "data/tiny_imagenet20/test").glob("*/*"))
    fronts = [create_frontend(name) for name in ("pixels", "sobel", "colour-edges", "sobel-masked", "sobel-binary")]
    rows = measure_frontends(fronts, paths, 16, 0)["frontends"]
    ratios = [row["bytes"] / row["image_png_bytes"] for row in rows]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] == 1
    assert ratios[-1] < 0.2
