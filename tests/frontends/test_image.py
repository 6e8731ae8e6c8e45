from __future__ import annotations

import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from edgekit.errors import ImageError, InputError
from edgekit.frontends.image import decode, is_single_tint, resize_area
from edgekit.frontends.paths import rotate_quarter_turn

pytestmark = pytest.mark.device


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


@pytest.fixture
def pixels(rng) -> np.ndarray:
    return rng.integers(0, 256, (12, 17, 3), dtype=np.uint8)


def photo(height: int = 48, width: int = 64) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 3 % 256, y * 4 % 256, (x + y) * 2 % 256], axis=-1).astype(np.uint8)


# --- decode: sources and modes


def test_path_text_bytes_pil_image_and_array_give_the_same_pixels(tmp_path, pixels):
    file = tmp_path / "a.png"
    file.write_bytes(encoded(Image.fromarray(pixels), "PNG"))
    for source in (file, str(file), file.read_bytes(), Image.fromarray(pixels), pixels):
        np.testing.assert_array_equal(decode(source), pixels)


def test_the_content_counts_and_not_the_name(tmp_path, pixels):
    file = tmp_path / "really_a_png.jpg"
    file.write_bytes(encoded(Image.fromarray(pixels), "PNG"))
    np.testing.assert_array_equal(decode(file), pixels)


def test_transparent_pixels_are_laid_over_white():
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 128]]], np.uint8)
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(rgba), "PNG"))[0], [[10, 20, 30], [255] * 3, [127] * 3])


@pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "CMYK", "YCbCr"])
def test_every_pillow_mode_becomes_rgb(mode):
    image = Image.fromarray(photo()).convert(mode)
    expected = np.array(image.convert("RGB"))
    np.testing.assert_allclose(decode(image).astype(int), expected, atol=1)


@pytest.mark.parametrize("transparency", [0, bytes([0, 255])])
def test_a_palette_with_transparency_is_laid_over_white_without_a_warning(transparency):
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.putpixel((1, 0), 1)
    content = encoded(image, "PNG", transparency=transparency)
    np.testing.assert_array_equal(decode(content)[0], [[255, 255, 255], [0, 0, 200]])


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(form):
    deep = np.array([[0, 257, 32896, 65535]], np.uint16)
    grey = decode(encoded(Image.fromarray(deep), form))
    np.testing.assert_array_equal(grey[0], np.repeat([[0], [1], [128], [255]], 3, axis=1))


@pytest.mark.parametrize("values", [np.array([[0, 1 << 20]], np.int32), np.array([[0.5, 1.0]], np.float32)])
def test_pixels_of_no_known_range_are_refused(values):
    with pytest.raises(ImageError, match="Save it as an 8-bit image"):
        decode(Image.fromarray(values))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(orientation):
    upright = photo()
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = Image.fromarray(upright)
    if orientation in undo:
        stored = stored.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(decode(encoded(stored, "PNG", exif=exif)), upright)


@pytest.mark.parametrize("scene", ["Landscape", "Portrait"])
def test_photographs_of_all_orientations_look_the_same(shared, scene):
    folder = shared / "data/photos_large/exif_orientation"
    images = [resize_area(decode(folder / f"{scene}_{i}.jpg"), (60, 60)).astype(int) for i in range(9)]
    assert max(np.abs(image - images[0]).mean() for image in images) < 3


def test_photographs_equal_opencvs_decoding(shared):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is the oracle for decoding")
    files = [
        *sorted((shared / "data/photos_large/derived_hd").glob("*640*.jpg")),
        *sorted((shared / "data/fire/test").glob("*/*"))[:20],
    ]
    for file in files:
        expected = cv2.imread(str(file))[..., ::-1].astype(int)
        assert np.abs(decode(file) - expected).max() <= 1, file


@pytest.mark.parametrize("folder", ["odd_exif", "odd_formats"])
def test_odd_files_decode_without_a_warning(shared, folder):
    for file in sorted((shared / "data/photos_large" / folder).glob("*.jpg")):
        image = decode(file)
        assert image.ndim == 3
        assert image.dtype == np.uint8


def test_corrupt_exif_is_ignored_and_nothing_leaks_from_threads(pixels):
    content = encoded(Image.fromarray(pixels), "JPEG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x12\x01")
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        shapes = set(pool.map(lambda _: decode(content).shape, range(32)))
    assert shapes == {pixels.shape}
    assert list(warnings.filters) == before


# --- decode: errors


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"just some text", "no known image format"),
        (encoded(Image.fromarray(photo()), "JPEG")[:-400], "cannot be decoded"),
        (encoded(Image.fromarray(photo()), "PNG")[:-60], "cannot be decoded"),
    ],
)
def test_a_bad_file_is_one_line_with_its_name_and_the_reason(tmp_path, content, reason):
    file = tmp_path / "bad.jpg"
    file.write_bytes(content)
    for source, name in ((file, str(file)), (content, "the image bytes")):
        with pytest.raises(ImageError, match=reason) as caught:
            decode(source)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_folder_and_a_missing_file_say_so(tmp_path):
    with pytest.raises(ImageError, match="it is a folder"):
        decode(tmp_path)
    with pytest.raises(ImageError, match="no such file"):
        decode(tmp_path / "none.png")
    with pytest.raises(ImageError, match="cannot be read"):
        decode("a\0b")


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    with pytest.raises(ImageError, match=r"at most .* pixels in the image bytes"):
        decode(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))


@pytest.mark.parametrize("source", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), 7, None])
def test_what_is_no_image_at_all_is_an_input_error(source):
    with pytest.raises(InputError, match="Expected an image"):
        decode(source)


# --- resize


SIDES = (1, 2, 3, 7, 16, 31, 33, 64, 100, 224)


def test_resizing_agrees_with_opencv_within_one_level_shrinking_enlarging_and_mixed(rng):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is the oracle for INTER_AREA")
    for _ in range(250):
        height, width, rows, columns = (int(side) for side in rng.choice(SIDES, 4))
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        expected = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA).astype(int)
        assert np.abs(resize_area(image, (rows, columns)) - expected).max() <= 1, (height, width, rows, columns)


def test_real_photographs_resize_as_in_opencv(shared):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is the oracle for INTER_AREA")
    for file in sorted((shared / "data/photos_large/field_photos").glob("*.jpg"))[:4]:
        image = decode(file)
        for rows, columns in ((64, 64), (224, 224), (96, 128)):
            expected = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA).astype(int)
            assert np.abs(resize_area(image, (rows, columns)) - expected).max() <= 1


def test_a_batch_resizes_as_its_images_do(rng):
    images = rng.integers(0, 256, (3, 20, 31, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize_area(images, (7, 40)), np.stack([resize_area(image, (7, 40)) for image in images]))


def test_the_same_size_is_returned_unchanged(pixels):
    assert resize_area(pixels, pixels.shape[:2]) is pixels


def test_any_memory_layout_resizes_alike(pixels):
    for view in (np.asfortranarray(pixels), np.ascontiguousarray(pixels[:, ::-1])[:, ::-1]):
        np.testing.assert_array_equal(resize_area(view, (5, 9)), resize_area(pixels, (5, 9)))


@pytest.mark.parametrize("size", [(0, 4), (4, -1), (4,), (99_999, 99_999)])
def test_a_size_under_one_pixel_or_beyond_any_image_is_refused(pixels, size):
    with pytest.raises(InputError, match="Expected a size"):
        resize_area(pixels, size)


# --- the authors' rotation


@pytest.mark.parametrize("shape", [(64, 64), (64, 32), (32, 64), (5, 3), (1, 1), (33, 64), (64, 33), (1, 2), (2, 1), (224, 100)])
def test_the_quarter_turn_equals_opencvs(rng, shape):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is the oracle for warpAffine")
    height, width = shape
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 90, 1)
    expected = cv2.warpAffine(image, matrix, (width, height)).astype(int)
    bound = 0 if (height + width) % 2 == 0 else 1
    assert np.abs(rotate_quarter_turn(image[None])[0] - expected).max() <= bound


def test_the_quarter_turn_of_a_square_moves_down_by_a_black_row(rng):
    image = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    turned = rotate_quarter_turn(image[None])[0]
    assert not turned[0].any()
    np.testing.assert_array_equal(turned[1:], np.rot90(image)[:-1])


# --- single tint


@pytest.mark.parametrize("quality", [75, 90])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_grey_jpeg_is_of_a_single_tint_whether_stored_with_one_channel_or_three(shared, quality, mode):
    for file in sorted((shared / "data/fire/test").glob("*/*"))[:60:12]:
        grey = Image.fromarray(decode(file)).convert("L").convert(mode)
        assert is_single_tint(decode(encoded(grey, "JPEG", quality=quality))), file


@pytest.mark.parametrize("tint", [(1.0, 0.85, 0.66), (0.4, 0.6, 1.0)])
def test_a_tinted_grey_image_is_of_a_single_tint(shared, tint):
    for file in sorted((shared / "data/fire/test").glob("*/*"))[:60:12]:
        grey = np.array(Image.fromarray(decode(file)).convert("L"), np.float64)
        assert is_single_tint(np.rint(grey[..., None] * np.array(tint)).astype(np.uint8)), file


def test_colour_photographs_are_not_of_a_single_tint_and_true_grey_ones_are(shared):
    for folder in ("fire/test", "corn_leaf/test", "photos_large"):
        for file in sorted((shared / "data" / folder).glob("**/*.jpg"))[::5]:
            image = decode(file)
            spread = int((image.max(axis=2).astype(int) - image.min(axis=2)).max())
            assert is_single_tint(image) == (spread == 0), file


def test_a_flat_image_is_of_a_single_tint_and_two_flat_halves_too():
    image = np.full((8, 8, 3), 90, np.uint8)
    assert is_single_tint(image)
    image[:4] = (200, 10, 30)
    assert is_single_tint(image)
    image[0] = (10, 200, 30)
    assert not is_single_tint(image)
