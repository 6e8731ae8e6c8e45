"""MLPerf Tiny's ic01, kws01 and ad01, packed and run over all samples on every TFLite runtime of this environment.

    python -m benchmarks.mlperf_tiny ../shared/data/mlperf_tiny

Prints one line a model and runtime: accuracy here and in the reference, share of labels that differ; the autoencoder's error.
Bars: accuracy within 2 points, at most 4 % flips. On an emulated board:

    python tools/arm/run.py a72 --numpy1 benchmarks.mlperf_tiny ../shared/data/mlperf_tiny
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from pathlib import Path

from edgekit.runtimes import installed_runtimes
from tests.mlperf_tiny import CASES, reconstruction_error, run_case

#: MLPerf Tiny's ad01_int8 on LiteRT 2.3.0, x86-64: mean squared error of the sample.
_REFERENCE_ERROR = 10.265


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    met = True
    print(f"{platform.machine()}\n{'model':7}{'runtime':16}{'n':>6}{'accuracy':>10}{'reference':>11}{'flips':>8}", flush=True)
    with tempfile.TemporaryDirectory() as work:
        for runtime in installed_runtimes("tflite"):
            for name in CASES:
                o = run_case(name, folder, runtime, Path(work))
                met &= o.flips <= 0.04 and abs(o.accuracy - o.reference_accuracy) <= 0.02
                figures = f"{o.n:>6}{100 * o.accuracy:>9.1f}%{100 * o.reference_accuracy:>10.1f}%{100 * o.flips:>7.1f}%"
                print(f"{name:7}{runtime:16}{figures}", flush=True)
            error = reconstruction_error(folder, runtime, Path(work))
            met &= abs(error / _REFERENCE_ERROR - 1) <= 0.02
            print(f"{'ad01':7}{runtime:16}{196:>6}{error:>10.3f}{_REFERENCE_ERROR:>11.3f}   mean squared error", flush=True)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
