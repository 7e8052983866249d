"""Every op of the library, on its cases: built, written as source, and read back from Keras."""

from __future__ import annotations

import importlib.util
import inspect
import json
from pathlib import Path

import pytest

from opgraph.analysis import analyze
from opgraph.formats import from_json, read_config, to_json, to_source
from opgraph.formats.keras_source import ALWAYS
from opgraph.graph import Edge, Endpoint, Node, OpGraph
from opgraph.ops import convert_value, kinds, require

keras = pytest.importorskip("keras")

from opgraph.runtime import build  # noqa: E402

pytestmark = pytest.mark.tf

CASES = Path(__file__).parents[1] / "ops" / "cases.py"
MOST = 6  # cases of each op: the grid itself is the matter of tests/ops
NOT_BUILT_ALONE = {"Input", "Opaque"}
NAMES = [kind.kind for kind in kinds() if kind.kind not in NOT_BUILT_ALONE]


@pytest.fixture(scope="module")
def table():
    spec = importlib.util.spec_from_file_location("op_cases_for_build", CASES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CASES


def spread(cases):
    """A few cases from all over the list."""
    return cases if len(cases) <= MOST else [cases[i * len(cases) // MOST] for i in range(MOST)]


def graph_of(kind, case):
    schema = kind.schema()
    given = {name: convert_value(schema[name], value) for name, value in case.attrs.items()}
    integers = {"dtype": "int32"} if kind.kind == "Embedding" else {}
    inputs = [
        Node(f"x_{slot}", require("Input"), {"shape": shape, **integers})
        for slot, shape in enumerate(case.inputs)
    ]
    edges = [Edge(node.name, "it_1", slot) for slot, node in enumerate(inputs)]
    return OpGraph([*inputs, Node("it_1", kind, given)], edges, "one")


@pytest.fixture(scope="module")
def built(table):
    """Analysis and built model of each case, made once."""
    known = {}

    def get(name):
        if name not in known:
            kind = require(name)
            graphs = [graph_of(kind, case) for case in spread(table[name]) if not case.refuses]
            analyses = [analyze(graph).require() for graph in graphs]
            known[name] = [(analysis, build(analysis.graph, seed=0)) for analysis in analyses]
            assert known[name]
        return known[name]

    return get


@pytest.mark.parametrize("name", NAMES)
def test_it_is_built_with_the_outputs_and_weights_it_says(name, built):
    for analysis, made in built(name):
        facts = analysis["it_1"]
        ports = [end.port for end in made.outputs if end.node == "it_1"]
        assert ports == list(range(len(facts.outputs)))
        for port, shape in enumerate(facts.outputs):
            theirs = tuple(made.outputs[Endpoint("it_1", port)].shape[1:])
            assert len(theirs) == len(shape)
            assert all(a == b or a is None for a, b in zip(theirs, shape, strict=True)), theirs
        assert list(made.weight_names) == [f"it_1/{weight}" for weight in facts.weights]
        shapes = [tuple(weight.shape) for weight in made.weight_names.values()]
        assert shapes == [weight.shape for weight in facts.weights.values()]


@pytest.mark.parametrize("name", NAMES)
def test_its_source_builds_the_same_layer(name, built):
    for analysis, made in built(name):
        text = to_source(analysis.graph)
        space: dict[str, object] = {"__name__": "written"}
        exec(compile(text, "model.py", "exec"), space)
        model = space["build_model"]()
        ours = [layer.get_config() for layer in made.model.layers]
        theirs = [layer.get_config() for layer in model.layers]
        assert [plain(config) for config in theirs] == [plain(config) for config in ours], text
        assert [t.shape for t in model.outputs] == [t.shape for t in made.model.outputs]


def plain(config):
    return json.loads(json.dumps(config, default=str))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_read_back_from_the_keras_configuration(name, built):
    for analysis, made in built(name):
        again = read_config(json.loads(made.model.to_json()))
        node = again["it-1"]
        assert node.kind.category != "opaque"
        rebuilt = build(again)
        ours, theirs = made.layers["it_1"], rebuilt.layers["it-1"]
        assert plain(theirs.get_config()) == plain(ours.get_config())
        facts, before = analyze(again).require(), analysis
        assert facts.totals.params == before.totals.params


@pytest.mark.parametrize("name", NAMES)
def test_what_the_source_leaves_out_is_what_keras_takes_anyway(name):
    """An attribute may be left out at its default only if Keras has the same one."""
    layer = getattr(keras.layers, name, None)
    if layer is None:
        pytest.skip("not a layer of that name: nothing is left out")
    parameters = inspect.signature(layer).parameters
    for attr in require(name).schema().values():
        parameter = parameters.get(attr.name)
        if parameter is None or attr.is_required or attr.name in ALWAYS or attr.option:
            continue
        if attr.name == "data_format" and parameter.default is None:  # channels_last, unless set
            continue
        assert parameter.default is not inspect.Parameter.empty, attr.name
        theirs = parameter.default
        if theirs is not None:
            theirs = "linear" if theirs == "linear" else convert_value(attr, theirs)
        assert theirs == attr.default or (attr.default is None and theirs == "linear"), attr.name


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_through_json(name, built):
    for analysis, _ in built(name):
        text = json.dumps(to_json(analysis.graph), allow_nan=False)
        assert from_json(json.loads(text)) == analysis.graph
