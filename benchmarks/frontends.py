"""The front ends against the libraries people use: ratios, medians, one thread, competitors in turns in one process.

    make .venv-compare/.installed
    OMP_NUM_THREADS=1 PYTHONPATH=. .venv-compare/bin/python benchmarks/frontends.py --photo PHOTO --bundle BUNDLE

Without --photo a picture of smoothed noise is taken; without --bundle (int8, signature of 64 x 64 rgb rows, as benchmarks/fire.py
makes them) the case from JPEG to label is left out. Exit code 1 where a ratio is lower than asked.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from interleaved import Case, Measured, measure
from scattering_cases import scattering_cases
from signature_cases import jpeg_cases, signature_cases

from edgekit.frontends.image import decode

_LIBRARIES = ("numpy", "iisignature", "pysiglib", "kymatio", "scipy", "opencv-python-headless", "pillow", "simplejpeg")


def registry(photo: np.ndarray, bundle: Path | None) -> list[Case]:
    """Every case, in the order of the table."""
    return [*signature_cases(photo), *scattering_cases(photo), *(jpeg_cases(photo, bundle) if bundle else [])]


def smoothed_noise() -> np.ndarray:
    """(480, 640, 3) uint8 with the spectrum of a photograph, roughly."""
    noise = np.random.default_rng(0).standard_normal((480, 640, 3))
    frequency = np.hypot(np.fft.fftfreq(480)[:, None], np.fft.fftfreq(640)[None])[..., None]
    smooth = np.fft.ifft2(np.fft.fft2(noise, axes=(0, 1)) / (frequency + 1 / 640), axes=(0, 1)).real
    return np.clip(128 + 48 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def line(case: Case, measured: Measured) -> str:
    """One line of the table in docs/results.md."""
    first, *others = measured.ratios
    bar = f"{case.at_least} ({case.aim})" if case.at_least else "-"
    beside = ", ".join(f"{measured.ratios[name]:.1f} {name}" for name in others) or "-"
    error = measured.errors[first]
    ours, theirs = measured.microseconds["edgekit"], measured.microseconds[first]
    return (
        f"| {case.name} | {first} | {bar} | {measured.ratios[first]:.1f} | {ours:.0f} / {theirs:.0f} | {error:.0e} | {beside} |"
    )


def versions() -> str:
    """Of what took part."""
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join([f"Python {platform.python_version()}", platform.machine(), *found])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    photo = decode(arguments.photo) if arguments.photo else smoothed_noise()
    cases = [case for case in registry(photo, arguments.bundle) if arguments.only in case.name]
    print(versions(), file=sys.stderr)
    if not arguments.json:
        print("| case | against | asked (aim) | ratio | us, ours / theirs | difference | others |\n|---|---|---|---|---|---|---|")
    results, missed = [], False
    for case in cases:
        measured = measure(case, arguments.rounds)
        results.append({"case": case.name, **vars(measured)})
        missed |= case.at_least is not None and next(iter(measured.ratios.values())) < case.at_least
        if not arguments.json:
            print(line(case, measured), flush=True)
    if arguments.json:
        print(json.dumps(results, indent=1))
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
