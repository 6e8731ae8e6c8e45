"""The layers of a float graph, by the names that a user of the network knows, and the operators that each is made of.

A layer is a module of the network (`blocks.0`, `Conv2d_blocks_0`), or a single operator outside of any (`Add_1`, `ADD_1`).
Operators that only move values belong to the layer whose values they move: left in int8 behind a float layer they would round
what was to stay exact.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

from edgekit.core.optional import require
from edgekit.core.recipe import Format
from edgekit.errors import UnknownNameError
from edgekit.exporters.base import OUTPUT_NAME

__all__ = ["layers_of", "operators_in_layers", "operators_of"]

_ONNX_MOVES = frozenset(
    ("Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze")
)
_ONNX_OPENS = frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul"))
_TFLITE_MOVES = frozenset(
    ("EXPAND_DIMS", "GATHER", "MAX_POOL_2D", "PAD", "PADV2", "RESHAPE", "SLICE", "SPLIT", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE")
)

#: How litert-torch names the tensor of a signature's output, in place of the module that makes it.
_LAST = "serving_default_"

#: Layer of the moves right behind the input.
_ENTRY = "input"


def layers_of(format_: Format, model: bytes) -> dict[str, tuple[str, ...]]:
    """Layer -> the quantizer's names of its operators, in the order of the graph.

    Args:
        format_: of the graph.
        model: as `graphs.quantizable` gave it.
    """
    return _grouped(_onnx_operators(model) if format_ == "onnx" else _tflite_operators(model))


def operators_of(format_: Format, model: bytes, layers: Iterable[str]) -> tuple[str, ...]:
    """The quantizer's names of all operators of some layers.

    Raises:
        UnknownNameError: on a layer that the graph does not have.
    """
    wanted = tuple(layers)
    if not wanted:
        return ()
    known = layers_of(format_, model)
    for layer in wanted:
        if layer not in known:
            raise UnknownNameError("layer", layer, known)
    return tuple(operator for layer in wanted for operator in known[layer])


def operators_in_layers(flatbuffer: bytes) -> Iterator[tuple[str, str]]:
    """Kind and layer of each operator of a TFLite file, in its order; operators outside of any module are of layer "forward"."""
    schema = require("ai_edge_litert.schema_py_generated", "export")
    tree = schema.ModelT.InitFromPackedBuf(bytearray(flatbuffer), 0)
    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    for operator in tree.subgraphs[0].operators:
        name = tree.subgraphs[0].tensors[operator.outputs[0]].name.decode("utf-8")
        yield kinds[tree.operatorCodes[operator.opcodeIndex].builtinCode], _tflite_layer(name, False) or "forward"


@dataclass(frozen=True)
class _Operator:
    """One operator of a graph.

    Attributes:
        name: the quantizer's.
        layer: the name of its module, None for a move.
        opens: whether it begins a layer: convolutions and matrix products do.
        reads: tensors that go in.
        makes: tensors that come out.
    """

    name: str
    layer: str | None
    opens: bool
    reads: tuple[Any, ...]
    makes: tuple[Any, ...]


def _grouped(operators: Iterator[_Operator]) -> dict[str, tuple[str, ...]]:
    """Operators by layer. Modules of one name in different places are told apart (`Conv2d_0`, `Conv2d_0#2`): an operator belongs
    to the layer of its name that it reads from, or else begins another.
    """
    makers: dict[Any, str] = {}
    layers: dict[str, list[str]] = {}
    for operator in operators:
        before = [makers[tensor] for tensor in operator.reads if tensor in makers]
        if operator.layer is None:
            layer = before[0] if before else _ENTRY
        else:
            joined = (name for name in before if name.partition("#")[0] == operator.layer)
            layer = (None if operator.opens else next(joined, None)) or _fresh(operator.layer, layers)
        makers.update(dict.fromkeys(operator.makes, layer))
        layers.setdefault(layer, []).append(operator.name)
    return {layer: tuple(names) for layer, names in layers.items()}


def _fresh(name: str, layers: Mapping[str, Any]) -> str:
    return next(label for label in chain([name], (f"{name}#{i}" for i in count(2))) if label not in layers)


def _onnx_operators(model: bytes) -> Iterator[_Operator]:
    for node in require("onnx", "export").load_from_string(model).graph.node:
        layer = None if node.op_type in _ONNX_MOVES else _onnx_layer(node.name)
        yield _Operator(node.name, layer, node.op_type in _ONNX_OPENS, tuple(node.input), tuple(node.output))


def _onnx_layer(name: str) -> str:
    """blocks.0 of /blocks.0/Conv and of /blocks.0/MatMul/MatMulAddFusion; Add_1 of /Add_1."""
    parts = re.sub(r"/\w*Fusion\w*$", "", name).strip("/").split("/")
    return "/".join(parts[:-1]) or parts[-1]


def _tflite_operators(model: bytes) -> Iterator[_Operator]:
    schema = require("ai_edge_litert.schema_py_generated", "export")
    # Read where it is asked: the search for layers in float comes here hundreds of times, and unpacking takes 0.1 s.
    tree = schema.Model.GetRootAs(model, 0)
    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    graph, counts = tree.Subgraphs(0), dict[str, int]()
    for operator in map(graph.Operators, range(graph.OperatorsLength())):
        kind = kinds[tree.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()]
        reads = tuple(map(operator.Inputs, range(operator.InputsLength())))
        makes = tuple(map(operator.Outputs, range(operator.OutputsLength())))
        names = [graph.Tensors(index).Name().decode("utf-8") for index in makes]
        layer, weighted = None, "CONV" in kind or kind == "FULLY_CONNECTED"
        if kind not in _TFLITE_MOVES:
            layer = _tflite_layer(names[0], weighted)
            if layer is None:
                counts[kind] = counts.get(kind, 0) + 1
                layer = f"{kind}_{counts[kind]}"
        # As ai-edge-quantizer spells an operator's scope.
        scope = "".join(f"{name};" for name in names)
        yield _Operator(scope, layer, weighted, reads, makes)


def _tflite_layer(name: str, weighted: bool) -> str | None:
    """Conv2d_blocks_0 of ..._Named/torch.nn.modules.conv.Conv2d_blocks_0;3; None outside of any module.

    A fused operator carries several modules' names: the first with weights is meant where the operator has some, else the first.
    The last operator carries none, and its layer is called as the output.
    """
    modules = []
    for part in name.split(";"):
        path = [step.rsplit(".", 1)[-1] for step in part.split("/")[1:]]
        if part.startswith(_LAST):
            return OUTPUT_NAME
        if path:
            modules.append("/".join(path))
    if not modules:
        return None
    with_weights = [module for module in modules if re.search("Conv|Linear", module)]
    return with_weights[0] if weighted and with_weights else modules[0]
