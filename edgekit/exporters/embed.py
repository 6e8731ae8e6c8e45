"""The model card inside the model file, where every interpreter ignores it and any board can read it."""

from __future__ import annotations

import io
import zipfile

from edgekit.core.optional import require
from edgekit.runtimes.litert import CARD_MEMBER
from edgekit.runtimes.ort import CARD_KEY

__all__ = ["embed_onnx", "embed_tflite"]

_EPOCH = (1980, 1, 1, 0, 0, 0)


def embed_tflite(model: bytes, text: str) -> bytes:
    """Append the text as a TFLite associated file: a zip archive behind the flatbuffer, member "edgekit.json".

    The archive carries no clock and no machine: equal text gives equal bytes.

    Args:
        model: a TFLite flatbuffer. An archive that it already carries is kept and must not hold the member.
        text: the card, see `edgekit.core.manifest.ModelCard.to_text`.
    """
    member = zipfile.ZipInfo(CARD_MEMBER, _EPOCH)
    member.create_system, member.compress_type = 3, zipfile.ZIP_DEFLATED
    stream = io.BytesIO(model)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr(member, text.encode("utf-8"), compresslevel=9)
    return stream.getvalue()


def embed_onnx(model: bytes, text: str) -> bytes:
    """Write the text into the ONNX file's metadata_props under "edgekit", in place of one that was there.

    Args:
        model: a serialized ONNX model.
        text: the card, see `edgekit.core.manifest.ModelCard.to_text`.
    """
    onnx = require("onnx", "export")
    proto = onnx.load_from_string(model)
    rest = [(entry.key, entry.value) for entry in proto.metadata_props if entry.key != CARD_KEY]
    del proto.metadata_props[:]
    for key, value in sorted([*rest, (CARD_KEY, text)]):
        proto.metadata_props.add(key=key, value=value)
    return bytes(proto.SerializeToString(deterministic=True))
