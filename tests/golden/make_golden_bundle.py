"""Make tests/golden/textures.bundle: python -m tests.golden.make_golden_bundle (from the project's root, in .venv)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from edgekit.training.config import TrainConfig
from edgekit.training.loop import train
from edgekit.training.progress import Silent
from edgekit.workflows.export import export_run
from tests.synthetic import write_textures

OUT = Path(__file__).parent / "textures.bundle"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = write_textures(Path(folder) / "data", train=60, test=10)
        run = Path(folder) / "textures"
        config = TrainConfig(data, "imagesig-cnn1d", run, epochs=40, size=(32, 32), depth=2, augment="none", batch_size=16)
        print(train(config).to_json())
        shutil.rmtree(OUT, ignore_errors=True)
        manifest = export_run(run, OUT, Silent())
    for artifact in manifest.artifacts:
        print(artifact.file, artifact.bytes, [parity.agreement for parity in artifact.parity])


if __name__ == "__main__":
    main()
