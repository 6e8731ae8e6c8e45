"""JPEG at a fraction of its size: OpenCV's reduced decoding is the oracle; simplejpeg and Pillow give the same levels."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgekit.errors import ImageError
from edgekit.frontends.image import decode, resize_area
from edgekit.frontends.jpeg import scale_for

pytestmark = pytest.mark.device


@pytest.fixture(params=["simplejpeg", "Pillow"])
def decoder(request, monkeypatch) -> str:
    if request.param == "Pillow":
        monkeypatch.setitem(sys.modules, "simplejpeg", None)
    else:
        pytest.importorskip("simplejpeg", reason="simplejpeg is not installed here")
    return request.param


def jpeg(pixels: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **options)
    return stream.getvalue()


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Colourful, smooth enough that subsampled colours keep it."""
    small = np.random.default_rng(seed).integers(0, 256, (max(height // 8, 1), max(width // 8, 1), 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height)))


def opencv(content: bytes, scale: int) -> np.ndarray:
    cv2 = pytest.importorskip("cv2", reason="OpenCV is the oracle for reduced decoding")
    flag = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
    return cv2.imdecode(np.frombuffer(content, np.uint8), flag[scale])[..., ::-1]


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 300), st.integers(1, 300))
def test_the_scale_is_the_largest_that_leaves_both_sides_long_enough(height, width, least_height, least_width):
    def fits(scale: int) -> bool:
        return min(height, width) >= scale and -(-height // scale) >= least_height and -(-width // scale) >= least_width

    scale = scale_for((height, width), (least_height, least_width))
    assert scale == 1 or fits(scale)
    assert scale == 8 or not fits(2 * scale)


@pytest.mark.parametrize(("at_least", "scale"), [((64, 64), 4), ((60, 80), 8), ((100, 100), 4), ((240, 320), 2), ((241, 64), 1)])
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}, {"quality": 30}])
def test_pictures_equal_opencvs_reduced_decoding(decoder, at_least, scale, options):
    content = jpeg(picture(480, 640), **options)
    np.testing.assert_array_equal(decode(content, at_least), opencv(content, scale))


@pytest.mark.parametrize("size", [(481, 639), (65, 200), (67, 64), (9, 15), (3, 200), (1, 1)])
def test_odd_sizes_equal_opencvs_reduced_decoding_too(decoder, size):
    content = jpeg(picture(*size))
    for scale in (1, 2, 4, 8):
        at_least = (-(-size[0] // scale), -(-size[1] // scale))
        np.testing.assert_array_equal(decode(content, at_least), opencv(content, scale_for(size, at_least)))


def test_photographs_differ_little_from_their_full_decoding(shared, decoder):
    for path in sorted((shared / "data/photos_large/derived_hd").glob("*.jpg"))[:6]:
        content = path.read_bytes()
        np.testing.assert_array_equal(decode(content), opencv(content, 1))
        exact, scaled = (resize_area(decode(path, least), (64, 64)).astype(int) for least in (None, (64, 64)))
        assert 0 < np.abs(exact - scaled).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_is_scaled_by_its_upright_sides(decoder, orientation):
    upright = picture(200, 400)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = jpeg(upright, exif=exif)
    turned = orientation >= 5
    assert decode(content, (100, 100)).shape == ((200, 100, 3) if turned else (100, 200, 3))
    # 400 / 4 = 100 is the upright height of a turned one: its width alone bounds the scale.
    assert decode(content, (100, 25)).shape == ((100, 50, 3) if turned else (100, 200, 3))


def test_grey_and_cmyk_files_are_scaled_by_pillow(decoder):
    grey, cmyk = Image.fromarray(picture(160, 240)).convert("L"), Image.fromarray(picture(160, 240)).convert("CMYK")
    for image in (grey, cmyk):
        stream = io.BytesIO()
        image.save(stream, "JPEG")
        assert decode(stream.getvalue(), (40, 40)).shape == (40, 60, 3)


def test_a_multi_picture_file_is_the_jpeg_that_it_begins_with(decoder):
    first, second = Image.fromarray(picture(160, 240)), Image.fromarray(picture(160, 240, seed=1))
    stream = io.BytesIO()
    first.save(stream, "MPO", save_all=True, append_images=[second])
    content = stream.getvalue()
    # Without its index Pillow takes it for a plain JPEG.
    np.testing.assert_array_equal(decode(content, (40, 40)), decode(content.replace(b"MPF\0", b"XPF\0"), (40, 40)))
    assert decode(content, (40, 40)).shape == (40, 60, 3)


def test_other_formats_and_pil_images_keep_their_size(tmp_path, decoder):
    pixels = picture(160, 240)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png", (10, 10)), pixels)
    opened = Image.open(io.BytesIO(jpeg(pixels)))
    assert decode(opened, (10, 10)).shape == (160, 240, 3)
    assert opened.size == (240, 160)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("at_least", [None, (30, 30)])
def test_a_truncated_file_is_refused_by_both_in_the_same_words(tmp_path, monkeypatch, share, at_least):
    content = jpeg(picture(160, 240))
    path = Path(tmp_path / "cut.jpg")
    path.write_bytes(content[: int(share * len(content))])
    told = set()
    for absent in (False, True):
        if absent:
            monkeypatch.setitem(sys.modules, "simplejpeg", None)
        with pytest.raises(ImageError) as caught:
            decode(path, at_least)
        told.add(str(caught.value))
    assert len(told) == 1
