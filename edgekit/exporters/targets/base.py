"""What a target profile says, and how its default precision is argued.

The rule: int8 is a core's default where one inference takes at most `WORTHWHILE` of float32's instructions on every network
counted in benchmarks/arm_cost.json, in the runtime that the target is for. What int8 costs in agreement has to be bought with
something, and what the front end and the quantization of the input cost is the same or more. Counts are no time: they say which
kernels a core gets. Cores with int8 dot products (`asimddp`) pass by far. `edgekit bench --compare` decides on the board itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from edgekit.core.recipe import FORMATS, Format, Precision
from edgekit.deploy.boards import get_board
from edgekit.deploy.wheels import installable
from edgekit.errors import UserError

__all__ = ["WORTHWHILE", "BoardRuntime", "OnnxScheme", "Target"]

#: Share of float32's instructions from which int8 is worth its loss.
WORTHWHILE = 0.8

#: How int8 ONNX is quantized. "asymmetric": zero points, int8 in and out, for onnxruntime. "tensorrt": see `exporters.tensorrt`.
OnnxScheme = Literal["asymmetric", "tensorrt"]


@dataclass(frozen=True)
class BoardRuntime:
    """A runtime's newest version that loads on one system of a board."""

    system: str
    python: str
    runtime: str
    version: str


@dataclass(frozen=True)
class Target:
    """One kind of board, and the files that are made for it.

    Attributes:
        name: as `edgekit export --target` takes it.
        description: one line.
        artifacts: (format, precision) pairs, in the order in which they are made.
        opset: ONNX operator set.
        ir_version: ONNX file version, as low as the opset allows, so that old runtimes load the file.
        scheme: of int8 ONNX.
        default: precision that a bundle is opened in where the caller does not choose; None: int8 first.
        core: of its CPU, as benchmarks/arm_cost.json names it; None for no core in particular.
        features: of the core, as the kernel names them, that decide which kernels run.
        board: its name in `edgekit.deploy.boards`; None for no board in particular.
        memory_mb: of the smallest board of that name, in MiB.
        threads: to begin with; networks of a few million multiplications seldom gain from more.
        reason: why these files and this default.
        refused: precision -> why this board gets no such file.
        commands: file -> what to run on the board to use it, with {path} for its path.
        caveat: what nobody has tried.
    """

    name: str
    description: str
    artifacts: tuple[tuple[Format, Precision], ...]
    opset: int = 17
    ir_version: int = 8
    scheme: OnnxScheme = "asymmetric"
    default: Precision | None = None
    core: str | None = None
    features: tuple[str, ...] = ()
    board: str | None = None
    memory_mb: int | None = None
    threads: int = 1
    reason: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    caveat: str = ""

    @property
    def runtimes(self) -> tuple[BoardRuntime, ...]:
        """Runtimes for the target's formats with the versions that exist for the board, by system; empty without a board."""
        if self.board is None:
            return ()
        wanted = {"onnxruntime" if kind == "onnx" else "litert" for kind, _ in self.artifacts}
        wanted |= {"tflite-runtime"} if "litert" in wanted else set()
        return tuple(
            BoardRuntime(system.name, system.python, wheel.runtime, wheel.version)
            for system in get_board(self.board).systems
            for wheel in installable(system.machine, _minor(system.python), system.glibc)
            if wheel.runtime in wanted & set(system.runtimes)
        )

    @property
    def largest_file(self) -> int | None:
        """Bytes of the largest file that the board is given, None without a limit.

        A quarter of the memory: the runtime holds the file and packs its weights a second time, which makes a half; activations,
        Python and the system need the rest.
        """
        return None if self.memory_mb is None else self.memory_mb * 2**20 // 4

    def only(self, precisions: Sequence[str] = (), formats: Sequence[str] = ()) -> Target:
        """The same target with the artifacts of these precisions and formats alone; empty: of all; one may come as it is.

        Raises:
            UserError: on a precision or format that the board does not get, with the reason.
        """
        precisions, formats = ((given,) if isinstance(given, str) and given else given for given in (precisions, formats))
        made = dict.fromkeys(precision for _, precision in self.artifacts)
        for precision in precisions:
            if precision not in made:
                why = f": {self.refused[precision]}" if precision in self.refused else ""
                raise UserError(
                    f"Expected a precision that target {self.name!r} gets ({', '.join(made)}), got {precision!r}{why}. "
                    "Choose one of these, or another target; see: edgekit targets"
                )
        kept = tuple(a for a in self.artifacts if a[1] in (precisions or made) and a[0] in (formats or FORMATS))
        known = dict.fromkeys(kind for kind, _ in self.artifacts)
        if not kept or not set(formats) <= set(known):
            choice = dict.fromkeys(kind for kind, precision in self.artifacts if precision in (precisions or made))
            where = f" in {', '.join(precisions)}" if precisions else ""
            raise UserError(
                f"Expected a format that target {self.name!r} gets{where} ({', '.join(choice)}), got {', '.join(formats)}. "
                "Choose one of these, or another target; see: edgekit targets"
            )
        default = self.default if self.default in {precision for _, precision in kept} else None
        return replace(self, artifacts=kept, default=default)

    def commands_for(self, bundle: str, files: Collection[str]) -> tuple[str, ...]:
        """What to run on the board after the export.

        Args:
            bundle: name of the bundle's folder.
            files: names of its files.
        """
        return tuple(text.format(path=f"{bundle}/{file}") for file, text in self.commands.items() if file in files)

    def to_json(self) -> dict[str, Any]:
        """JSON values, as `edgekit targets --json` shows them."""
        return {
            "name": self.name,
            "description": self.description,
            "artifacts": [{"format": kind, "precision": precision} for kind, precision in self.artifacts],
            "default": self.default,
            "opset": self.opset,
            "ir_version": self.ir_version,
            "scheme": self.scheme,
            "core": self.core,
            "features": list(self.features),
            "threads": self.threads,
            "memory_mb": self.memory_mb,
            "largest_file_bytes": self.largest_file,
            "runtimes": [vars(runtime) for runtime in self.runtimes],
            "reason": self.reason,
            "refused": dict(self.refused),
            "commands": list(self.commands_for("BUNDLE", self.commands)),
            "caveat": self.caveat,
        }


def _minor(python: str) -> tuple[int, int]:
    major, minor = python.split(".")
    return int(major), int(minor)
