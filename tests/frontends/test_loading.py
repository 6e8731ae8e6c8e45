from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from edgekit.errors import InputError, UnknownNameError
from edgekit.frontends import FRONTENDS, Samples, Signature, create_frontend, frontend_to_json
from edgekit.frontends.image import decode, resize_area
from edgekit.frontends.loading import load_image

pytestmark = pytest.mark.device

IMAGE_FRONTENDS = [name for name in FRONTENDS if name != "samples"]


def photograph() -> bytes:
    small = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(small).resize((640, 480)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


@pytest.mark.parametrize("name", IMAGE_FRONTENDS)
def test_the_choice_is_part_of_every_config_and_survives_json(name):
    assert create_frontend(name).config.decode == "exact"
    front = create_frontend(name, {"decode": "scaled"})
    entry = frontend_to_json(front)
    assert entry["config"]["decode"] == "scaled"
    assert create_frontend(entry["name"], entry["config"]).config == front.config
    with pytest.raises(UnknownNameError, match="Unknown decode 'half'. Known: exact, scaled"):
        create_frontend(name, {"decode": "half"})


def test_scaled_reads_no_more_of_a_jpeg_than_the_front_end_needs():
    content = photograph()
    assert load_image(Signature((64, 64)), content).shape == (480, 640, 3)
    assert load_image(Signature((64, 64), decode="scaled"), content).shape == (120, 160, 3)
    assert load_image(Signature((300, 300), decode="scaled"), content).shape == (480, 640, 3)


def test_front_ends_of_windows_load_no_image():
    with pytest.raises(InputError, match="takes sensor windows"):
        load_image(Samples(), photograph())


def test_a_pipeline_decodes_as_its_card_says(golden_bundle, tmp_path):
    from dataclasses import replace

    from edgekit.core.bundle import Bundle
    from edgekit.core.manifest import FrontEndEntry
    from edgekit.pipeline import Pipeline
    from edgekit.runtimes import open_runtime

    bundle = Bundle.open(golden_bundle)
    card = bundle.manifest.card
    config = {**card.frontend.config, "decode": "scaled"}
    scaled = replace(card, frontend=FrontEndEntry(card.frontend.name, config))
    content = photograph()
    model = bundle.artifacts("fp32", "tflite")[0].file
    with Pipeline(scaled, open_runtime(bundle.read(model))) as pipeline:
        size = pipeline.frontend.size
        expected = pipeline.predict(resize_area(decode(content, size), size))
        np.testing.assert_array_equal(pipeline.predict(content).scores, expected.scores)
