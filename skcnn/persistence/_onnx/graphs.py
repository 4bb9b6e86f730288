"""ONNX graphs: traced from torch modules, made of nodes, and put one behind another."""

import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skcnn.exceptions import UnsupportedModelError
from skcnn.persistence._onnx.packages import imported

ROWS = "rows"  # the input of every graph but the whole one's, (n, n_values)
LABEL, PROBABILITIES, VARIABLE, SCORES = "label", "probabilities", "variable", "scores"
DYNAMIC = "n"  # the name of the first axis
REASON = "export_onnx"
N_TRACED = 2  # samples
LOCK = threading.RLock()  # of exports: those of torch and skl2onnx have global variables


def traced(
    module: nn.Module,
    examples: Sequence[Tensor],
    inputs: Sequence[str],
    outputs: Sequence[str],
    opset: int,
    owner: str,
) -> Any:
    """Return the graph of a torch module, for any number of samples.

    Parameters
    ----------
    module : nn.Module
        Returns a tensor, or a tuple of them.
    examples : sequence of Tensor
        Its arguments for two samples.
    inputs, outputs : sequence of str
        Names.
    opset : int
        The version of ONNX's operators.
    owner : str
        The estimator, for messages.

    Raises
    ------
    UnsupportedModelError
        If the module has an operation that ONNX does not have.
    """
    stream: Any = BytesIO()
    axes = {name: {0: DYNAMIC} for name in (*inputs, *outputs)}
    # The exporter that is torch's default since 2.9 needs the package onnxscript.
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # it is deprecated, and warns of each constant
        try:
            torch.onnx.export(
                module,
                tuple(examples),
                stream,
                dynamo=False,
                opset_version=opset,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes=axes,
            )
        except (RuntimeError, torch.onnx.OnnxExporterError) as error:
            first = str(error).strip().partition("\n")[0]
            raise UnsupportedModelError(
                f"{owner} cannot be exported, since its network has an operation that ONNX does "
                f"not have, or not in opset={opset}: {first}"
            ) from error
    return imported("onnx", REASON).load_from_string(stream.getvalue())


def made_of(
    nodes: Sequence[Any],
    inputs: Sequence[tuple[str, int, list[Any]]],
    outputs: Sequence[tuple[str, int, list[Any]]],
    constants: dict[str, np.ndarray],
    opset: int,
) -> Any:
    """Return the graph of some nodes; inputs and outputs are names, types and shapes."""
    helper = imported("onnx.helper", REASON)
    arrays = imported("onnx.numpy_helper", REASON)
    graph = helper.make_graph(
        list(nodes),
        "skcnn",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(*each) for each in outputs],
        [arrays.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def names_of(values: Any) -> list[str]:
    """Return the names of a graph's inputs or outputs."""
    return [value.name for value in values]


def wired(model: Any, prefix: str, wires: Mapping[str, str]) -> Any:
    """Return a copy of a graph in which values have other names.

    Parameters
    ----------
    model : ModelProto
        The graph.
    prefix : str
        What the names of values and nodes begin with, if they are not in `wires`.
    wires : mapping of str to str
        New names of inputs and outputs.
    """
    graph = imported("onnx", REASON).GraphProto()
    graph.CopyFrom(model.graph)
    del graph.value_info[:]  # of which some shapes are those of the traced samples
    given = {*names_of(graph.input), *names_of(graph.initializer)}
    given |= {name for node in graph.node for name in node.output if name}
    names = {name: wires.get(name, prefix + name) for name in given}
    _rename(graph.node, names, prefix)
    for values in (graph.input, graph.output, graph.initializer):
        for value in values:
            value.name = names[value.name]
    return graph


def _rename(nodes: Any, names: Mapping[str, str], prefix: str) -> None:
    """Rename values in nodes, and in the graphs inside of them."""
    for node in nodes:
        node.name = prefix + node.name if node.name else ""
        for values in (node.input, node.output):
            for place, name in enumerate(values):
                values[place] = names.get(name, name)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename(attribute.g.node, names, prefix)
                for value in attribute.g.output:
                    value.name = names.get(value.name, value.name)


def all_nodes(nodes: Any) -> Iterator[Any]:
    """Yield nodes, and those of the graphs inside of them."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            yield from all_nodes(attribute.g.node)


def joined(
    parts: Sequence[tuple[Any, Mapping[str, str]]],
    inputs: Sequence[str],
    outputs: Sequence[str],
    opset: int,
) -> Any:
    """Return graphs, in the order in which they are computed, as one.

    Parameters
    ----------
    parts : sequence of (ModelProto, mapping of str to str)
        Graphs, and the names that their inputs and outputs get in the whole one.
    inputs, outputs : sequence of str
        Names of those of the whole one, which the parts have.
    opset : int
        The version of ONNX's operators.
    """
    helper = imported("onnx.helper", REASON)
    graphs = [wired(model, f"{number}/", wires) for number, (model, wires) in enumerate(parts)]
    read = {name for graph in graphs for node in all_nodes(graph.node) for name in node.input}
    ends = {value.name: value for graph in graphs for value in (*graph.input, *graph.output)}
    whole = helper.make_graph(
        [node for graph in graphs for node in graph.node],
        "skcnn",
        [ends[name] for name in inputs],
        [ends[name] for name in outputs],
        [each for graph in graphs for each in graph.initializer if each.name in read],
    )
    domains = {each.domain: each.version for model, _ in parts for each in model.opset_import}
    # skl2onnx writes the oldest opset that has all its operators, which the asked one has too
    domains = {**domains, "": opset}
    imports = [helper.make_opsetid(name, domains[name]) for name in sorted(domains)]
    version = helper.find_min_ir_version_for(imports)
    return helper.make_model(whole, opset_imports=imports, ir_version=version)
