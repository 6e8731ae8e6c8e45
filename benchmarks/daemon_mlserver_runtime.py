"""The thin custom runtime by which MLServer serves the same engine: decode the tensor, run, encode the scores."""

from __future__ import annotations

from typing import Any

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from edgekit.pipeline import open_pipeline


class EdgekitModel(MLModel):  # type: ignore[misc]
    """Serves the bundle at `parameters.uri`."""

    async def load(self) -> bool:
        self._pipeline = open_pipeline(self.settings.parameters.uri, "litert", "int8")
        self._name = self._pipeline.runtime.inputs[0].name
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        features = NumpyCodec.decode_input(payload.inputs[0]).astype("float32", copy=False)
        results: dict[str, Any] = self._pipeline.runtime.run({self._name: features})
        outputs = [NumpyCodec.encode_output(name, scores) for name, scores in results.items()]
        return InferenceResponse(model_name=self.name, outputs=outputs)
