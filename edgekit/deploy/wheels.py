"""The runtimes' wheels: for which Python and processor there is one, and what its binaries really need of glibc.

Read from the wheels themselves with `edgekit.deploy.binaries` (2026-11), not from their tags. pip goes by the tag, the loader by
the binaries: a wheel is of use where both are content.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RUNTIME_PACKAGES", "WHEELS", "RuntimeWheel", "install_line", "installable", "refusals"]

#: runtime -> its package, in order of preference on a board.
RUNTIME_PACKAGES = {"litert": "ai-edge-litert", "onnxruntime": "onnxruntime", "tflite-runtime": "tflite-runtime"}

_EXTRAS = {"litert": "litert", "onnxruntime": "onnx", "tflite-runtime": "tflite-runtime"}


@dataclass(frozen=True)
class RuntimeWheel:
    """One version of a runtime as wheels exist for it.

    Attributes:
        runtime: as everywhere in edgekit.
        version: the newest for these machines and Pythons.
        machine: as `uname -m` of the userland.
        pythons: (3, minor) of every wheel.
        tag: glibc in the wheel's tag: below it, pip refuses the wheel.
        needs: glibc that its binaries need: below it, the wheel does not load.
    """

    runtime: str
    version: str
    machine: str
    pythons: tuple[tuple[int, int], ...]
    tag: tuple[int, int]
    needs: tuple[int, int]

    def runs_on(self, machine: str, python: tuple[int, int], glibc: tuple[int, ...] | None) -> bool:
        """True when pip takes the wheel there and it loads."""
        return self._exists_for(machine, python) and glibc is not None and glibc >= max(self.tag, self.needs)

    def misleads(self, machine: str, python: tuple[int, int], glibc: tuple[int, ...] | None) -> bool:
        """True when pip takes the wheel there and it does not load."""
        return self._exists_for(machine, python) and glibc is not None and self.tag <= glibc < self.needs

    def _exists_for(self, machine: str, python: tuple[int, int]) -> bool:
        return self.machine == machine and python in self.pythons


def _minors(first: int, last: int) -> tuple[tuple[int, int], ...]:
    return tuple((3, minor) for minor in range(first, last + 1))


#: Newest first within a runtime.
WHEELS: tuple[RuntimeWheel, ...] = (
    RuntimeWheel("litert", "2.3.0", "aarch64", _minors(10, 13), (2, 27), (2, 34)),
    RuntimeWheel("litert", "2.1.0", "aarch64", _minors(10, 13), (2, 27), (2, 30)),
    RuntimeWheel("litert", "2.3.0", "x86_64", _minors(10, 13), (2, 27), (2, 27)),
    RuntimeWheel("onnxruntime", "1.31.1", "aarch64", _minors(11, 13), (2, 28), (2, 28)),
    RuntimeWheel("onnxruntime", "1.28.0", "aarch64", _minors(11, 13), (2, 27), (2, 27)),
    RuntimeWheel("onnxruntime", "1.23.2", "aarch64", _minors(10, 10), (2, 27), (2, 27)),
    RuntimeWheel("onnxruntime", "1.31.1", "x86_64", _minors(11, 13), (2, 28), (2, 28)),
    RuntimeWheel("onnxruntime", "1.23.2", "x86_64", _minors(10, 10), (2, 27), (2, 27)),
    RuntimeWheel("tflite-runtime", "2.14.0", "aarch64", _minors(9, 11), (2, 34), (2, 27)),
    RuntimeWheel("tflite-runtime", "2.13.0", "aarch64", _minors(9, 10), (2, 17), (2, 27)),
    RuntimeWheel("tflite-runtime", "2.14.0", "armv7l", _minors(9, 11), (2, 34), (2, 27)),
    RuntimeWheel("tflite-runtime", "2.13.0", "armv7l", _minors(9, 10), (2, 17), (2, 27)),
    RuntimeWheel("tflite-runtime", "2.14.0", "x86_64", _minors(9, 11), (2, 17), (2, 29)),
)


def installable(machine: str, python: tuple[int, int], glibc: tuple[int, ...] | None) -> list[RuntimeWheel]:
    """The newest wheel of each runtime that runs there, the preferred runtime first.

    >>> [wheel.runtime for wheel in installable("armv7l", (3, 11), (2, 36))]
    ['tflite-runtime']
    """
    found: dict[str, RuntimeWheel] = {}
    for name in RUNTIME_PACKAGES:
        for wheel in WHEELS:
            if wheel.runtime == name and wheel.runs_on(machine, python, glibc):
                found.setdefault(name, wheel)
    return list(found.values())


def refusals(machine: str, python: tuple[int, int], glibc: tuple[int, ...] | None) -> list[str]:
    """One sentence for each runtime whose wheels pip would install there although they do not load."""
    texts = []
    usable = {wheel.runtime for wheel in installable(machine, python, glibc)}
    for name, package in RUNTIME_PACKAGES.items():
        wheels = [wheel for wheel in WHEELS if wheel.runtime == name and wheel.misleads(machine, python, glibc)]
        if wheels and name not in usable:
            needs = " or ".join(f"{_dotted(wheel.needs)} ({wheel.version})" for wheel in wheels)
            texts.append(f"{package}'s wheels claim glibc {_dotted(wheels[0].tag)} but need {needs}")
    return texts


def install_line(wheel: RuntimeWheel) -> str:
    """The pip line that brings the runtime, pinned where the newest version of its package would not run there.

    >>> install_line(installable("aarch64", (3, 11), (2, 36))[0])
    "pip install 'edgekit[litert]'"
    """
    rivals = (other for other in WHEELS if (other.runtime, other.machine) == (wheel.runtime, wheel.machine))
    newest = next(other for other in rivals if set(other.pythons) & set(wheel.pythons))
    pin = "" if newest.version == wheel.version else f" '{RUNTIME_PACKAGES[wheel.runtime]}=={wheel.version}'"
    return f"pip install 'edgekit[{_EXTRAS[wheel.runtime]}]'{pin}"


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
