"""Rewrite an ONNX model with nothing in it that no runtime reads.

Why: names of nodes and tensors follow Python classes and cost about a tenth of a small int8 file; equal constants (zero points
above all) are stored once for each use; and the exporter's dictionaries order things as they come. Afterwards equal networks
give equal files.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any

from edgekit.core.optional import require

__all__ = ["onnx_strip"]

_LETTERS = string.ascii_lowercase + string.ascii_uppercase


def onnx_strip(model: Any, input_name: str, output_name: str, keep_names: bool = False) -> Any:
    """The same graph and numbers under the shortest names, constants once, nothing unused. Edits and returns `model`.

    Args:
        model: onnx.ModelProto with one input and one output.
        input_name: the name that the input gets.
        output_name: the name that the output gets.
        keep_names: all others keep theirs, by which the quantizer knows layers and tensors.
    """
    graph = model.graph
    _constants_to_initializers(graph)
    _share_initializers(graph)
    _drop_dead(graph)
    _rename(graph, input_name, output_name, keep_names)
    _drop_text(model)
    return model


def _constants_to_initializers(graph: Any) -> None:
    """Constant nodes with a tensor become initializers, where equal ones can be shared."""
    for node in list(graph.node):
        if node.op_type == "Constant" and len(node.attribute) == 1 and node.attribute[0].name == "value":
            tensor = graph.initializer.add()
            tensor.CopyFrom(node.attribute[0].t)
            tensor.name = node.output[0]
            graph.node.remove(node)


def _share_initializers(graph: Any) -> None:
    numpy_helper = require("onnx.numpy_helper", "export", "onnx")
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    replacement: dict[str, str] = {}
    for tensor in list(graph.initializer):
        # Through an array, because equal values may be stored typed or raw.
        array = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        key = (int(tensor.data_type), tuple(tensor.dims), array.tobytes())
        if key in first:
            replacement[tensor.name] = first[key]
            graph.initializer.remove(tensor)
        else:
            first[key] = tensor.name
    for node in graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = replacement.get(name, name)


def _drop_dead(graph: Any) -> None:
    """Keep what the output needs; initializers in order of first use."""
    needed = {value.name for value in graph.output}
    for node in reversed(list(graph.node)):
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            needed.update(node.input)
    order = {name: number for number, name in reversed(list(enumerate(_inputs(graph))))}
    tensors = sorted((t for t in graph.initializer if t.name in order), key=lambda tensor: order[tensor.name])
    kept = [type(tensor).FromString(tensor.SerializeToString()) for tensor in tensors]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    del graph.value_info[:]


def _inputs(graph: Any) -> Iterator[str]:
    for node in graph.node:
        yield from node.input


def _rename(graph: Any, input_name: str, output_name: str, keep_names: bool) -> None:
    names = {"": "", graph.input[0].name: input_name, graph.output[0].name: output_name}
    fresh = _short_names(taken={input_name, output_name})
    for node in graph.node:
        node.name = node.name if keep_names else ""
        for group in (node.input, node.output):
            for position, name in enumerate(group):
                if name not in names:
                    names[name] = name if keep_names else next(fresh)
                group[position] = names[name]
    for tensor in graph.initializer:
        tensor.name = names[tensor.name]
    graph.input[0].name, graph.output[0].name = input_name, output_name


def _short_names(taken: set[str]) -> Iterator[str]:
    """a, b, ..., Z, aa, ab, ...: as many as are asked for."""
    queue = [""]
    for prefix in queue:
        for letter in _LETTERS:
            if prefix + letter not in taken:
                yield prefix + letter
            queue.append(prefix + letter)


def _drop_text(model: Any) -> None:
    for field in ("producer_name", "producer_version", "domain", "doc_string"):
        model.ClearField(field)
    del model.metadata_props[:]
    del model.functions[:]
    graph = model.graph
    graph.name = "g"
    graph.ClearField("doc_string")
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        part.ClearField("doc_string")
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
    del graph.metadata_props[:]
    del graph.quantization_annotation[:]
    used = {node.domain for node in graph.node}
    kept = [(entry.domain, entry.version) for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    for domain, version in sorted(kept):
        model.opset_import.add(domain=domain, version=version)
