"""Rewrite a TFLite flatbuffer with nothing in it that no interpreter reads.

Why: a small network is a third container. Tensor names, converter metadata, one table for each of the empty activation buffers,
min / max ranges, and zero points that repeat vector by vector cost 3 kB of the 45 of ImageSig's CNN1D, and names change with
the Python classes of the network, so that equal weights would give unequal files.

The scales of biases stay, although no kernel multiplies by them: without them XNNPACK leaves a layer to slower kernels (CNN1D on
x86: 22 us, not 6). A zero point of 8 bytes a channel, too: both runtimes refuse a shorter vector.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.core.optional import require
from edgekit.exporters.passes.tflite_reshapes import tflite_reshapes

__all__ = ["pack_flatbuffer", "pull_in_external_buffers", "tflite_strip"]

_ALIGNMENT, _WORD = 16, 4


def tflite_strip(model: bytes) -> bytes:
    """The same graph, same numbers, smaller file.

    Kept: operators, shapes, quantization parameters, the signature and the names of inputs and outputs.

    Args:
        model: a TFLite flatbuffer; weights may lie inside it or behind it (`Buffer.offset`).
    """
    schema = require("ai_edge_litert.schema_py_generated", "export")
    tree = schema.ModelT.InitFromPackedBuf(bytearray(model), 0)
    pull_in_external_buffers(tree, model)
    tree.metadata, tree.metadataBuffer, tree.description = None, None, None
    tflite_reshapes(tree)
    for graph in tree.subgraphs:
        _drop_dead_tensors(graph)
        _strip_tensors(tree, graph)
    _name_edges(tree)
    _renumber_buffers(tree)
    _share_tables(tree)
    return pack_flatbuffer(tree)


def pull_in_external_buffers(tree: Any, model: bytes) -> None:
    """Large weights lie behind the flatbuffer, addressed by offset and size: packed as they are, they would vanish silently."""
    for buffer in tree.buffers:
        if buffer.offset > 1:
            buffer.data = np.frombuffer(model, np.uint8, buffer.size, buffer.offset)
        buffer.offset, buffer.size = 0, 0


def _drop_dead_tensors(graph: Any) -> None:
    """Remove tensors that no operator, input or output names, and renumber the rest in order of use."""
    order: dict[int, int] = {}
    for index in (*graph.inputs, *_indices_of(graph.operators), *graph.outputs):
        if index >= 0:
            order.setdefault(int(index), len(order))
    graph.tensors = [graph.tensors[index] for index in order]
    graph.inputs, graph.outputs = _renumbered(graph.inputs, order), _renumbered(graph.outputs, order)
    for operator in graph.operators:
        operator.inputs = _renumbered(operator.inputs, order)
        operator.outputs = _renumbered(operator.outputs, order)
        operator.intermediates = None if operator.intermediates is None else _renumbered(operator.intermediates, order)
    graph.edgekit_order = order


def _indices_of(operators: list[Any]) -> list[int]:
    found: list[int] = []
    for operator in operators:
        for group in (operator.inputs, operator.outputs, operator.intermediates):
            found.extend(int(index) for index in (() if group is None else group))
    return found


def _renumbered(indices: Any, order: dict[int, int]) -> np.ndarray:
    return np.array([order.get(int(index), -1) for index in indices], np.int32)


def _strip_tensors(tree: Any, graph: Any) -> None:
    for tensor in graph.tensors:
        tensor.name = None
        data = tree.buffers[tensor.buffer].data
        if (data is None or len(data) == 0) and not tensor.isVariable:
            tensor.buffer = 0
        quantization = tensor.quantization
        if quantization is None:
            continue
        quantization.min, quantization.max = None, None
        if quantization.scale is None or len(quantization.scale) == 0:
            tensor.quantization = None
    graph.name = None


def _name_edges(tree: Any) -> None:
    """Names of inputs and outputs, from the signature; signature indices follow the renumbering."""
    for signature in tree.signatureDefs or []:
        graph = tree.subgraphs[signature.subgraphIndex]
        for edge in (*signature.inputs, *signature.outputs):
            edge.tensorIndex = graph.edgekit_order[edge.tensorIndex]
            graph.tensors[edge.tensorIndex].name = edge.name


def _renumber_buffers(tree: Any) -> None:
    """Keep buffers that a tensor names, in order of use, equal ones once; buffer 0 is the empty one by convention."""
    kept: list[Any] = [tree.buffers[0]]
    tree.buffers[0].data = None
    numbers: dict[bytes, int] = {}
    for graph in tree.subgraphs:
        for tensor in graph.tensors:
            if tensor.buffer == 0:
                continue
            buffer = tree.buffers[tensor.buffer]
            content = b"" if buffer.data is None else np.asarray(buffer.data, np.uint8).tobytes()
            if content not in numbers or tensor.isVariable:
                numbers[content] = len(kept)
                kept.append(buffer)
            tensor.buffer = numbers[content]
    tree.buffers = kept


class _Once:
    """A table that is written once, however many tensors name it."""

    def __init__(self, table: Any) -> None:
        self._table, self._place = table, 0

    def Pack(self, builder: Any) -> int:
        """Its place in the flatbuffer; a tree is packed once."""
        self._place = self._place or int(self._table.Pack(builder))
        return self._place


def _share_tables(tree: Any) -> None:
    """Equal options of operators once, and equal scales and zero points: those of a pooling's input and output."""
    known: dict[Any, _Once] = {}
    for graph in tree.subgraphs:
        for tensor in graph.tensors:
            if tensor.quantization is not None:
                tensor.quantization = known.setdefault(_content(tensor.quantization), _Once(tensor.quantization))
        for operator in graph.operators:
            if operator.builtinOptions is not None:
                operator.builtinOptions = known.setdefault(_content(operator.builtinOptions), _Once(operator.builtinOptions))


def _content(table: Any) -> tuple[Any, ...]:
    """What a table of numbers and vectors holds."""
    values = ((name, value.tobytes() if isinstance(value, np.ndarray) else repr(value)) for name, value in vars(table).items())
    return type(table).__name__, *values


def pack_flatbuffer(tree: Any) -> bytes:
    """A `ModelT` tree as bytes; equal trees give equal bytes."""
    builder = _builder()
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _builder() -> Any:
    """A flatbuffers builder that writes equal vectors once, a table's narrow fields side by side, and aligns weights."""
    flatbuffers = require("flatbuffers", "export")

    class SharingBuilder(flatbuffers.Builder):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__(1024)
            self._vectors: dict[tuple[str, bytes], int] = {}
            self._narrow: list[tuple[Any, ...]] = []

        def PrependSlot(self, flags: Any, *field: Any) -> None:
            # A byte between two words takes a word.
            if flags.bytewidth < _WORD:
                self._narrow.append((flags, *field))
            else:
                super().PrependSlot(flags, *field)

        def EndObject(self) -> int:
            for field in self._narrow:
                super().PrependSlot(*field)
            self._narrow.clear()
            return int(super().EndObject())

        def CreateNumpyVector(self, x: np.ndarray) -> int:
            key = (x.dtype.str, x.tobytes())
            if key not in self._vectors:
                self._vectors[key] = self._aligned_bytes(x) if x.dtype == np.uint8 else super().CreateNumpyVector(x)
            return self._vectors[key]

        def CreateString(self, s: Any, encoding: str = "utf-8", errors: str = "strict") -> int:
            return int(self.CreateSharedString(s, encoding, errors))

        def CreateSharedString(self, s: Any, encoding: str = "utf-8", errors: str = "strict") -> int:
            key = ("string", s.encode(encoding, errors) if isinstance(s, str) else bytes(s))
            if key not in self._vectors:
                self._vectors[key] = super().CreateString(s, encoding, errors)
            return self._vectors[key]

        def _aligned_bytes(self, x: np.ndarray) -> int:
            self.StartVector(1, x.size, _ALIGNMENT)
            self.head -= x.size
            self.Bytes[self.head : self.head + x.size] = x.tobytes()
            return int(self.EndVector())

    return SharingBuilder()
