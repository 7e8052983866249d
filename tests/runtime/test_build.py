"""The Keras model of a graph: every node, call and port in it, under names that come back."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from opgraph.analysis import analyze
from opgraph.errors import AttributeValueError, BuildError, GraphError
from opgraph.graph import Edge, Endpoint, Node, OpGraph
from opgraph.ops import require

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from opgraph.runtime import build, node_names  # noqa: E402

pytestmark = pytest.mark.tf


def node(name, kind, *, shares=None, **given):
    return Node(name, require(kind), given, shares=shares)


def graph(nodes, *edges, name="net"):
    """Edges as `source target`, `source.port target`; slots in the order of the edges."""
    taken = {}
    wired = []
    for text in edges:
        source, target = text.split("\t" if "\t" in text else " ")
        source, _, port = source.partition(".")
        slot = taken[target] = taken.get(target, -1) + 1
        wired.append(Edge(source, target, slot, int(port or 0)))
    return OpGraph(nodes, wired, name)


def chain(*nodes, name="net"):
    edges = [f"{a.name}\t{b.name}" for a, b in itertools.pairwise(nodes)]
    return graph(nodes, *edges, name=name)


def image(**given):
    return node("x", "Input", shape=(8, 8, 3), **given)


def small():
    return chain(
        image(),
        node("conv2d_1", "Conv2D", filters=4),
        node("batch_norm_1", "BatchNormalization"),
        node("dropout_1", "Dropout", rate=0.5),
        node("dropout_2", "Dropout", rate=0.5),
        node("flat", "Flatten"),
        node("logits", "Dense", units=2),
    )


def shared():
    return graph(
        [
            node("a", "Input", shape=(4,)),
            node("b", "Input", shape=(4,)),
            node("enc_b", "Dense", units=3, shares="enc_a"),
            node("enc_a", "Dense", units=3),
            node("join", "Add"),
        ],
        "b enc_b",
        "a enc_a",
        "enc_a join",
        "enc_b join",
    )


def lstm():
    return graph(
        [
            node("x", "Input", shape=(5, 3)),
            node("enc", "LSTM", units=4, return_state=True),
            node("dec", "LSTM", units=4, return_sequences=True),
        ],
        "x enc",
        "x dec",
        "enc.1 dec",
        "enc.2 dec",
    )


def test_each_node_has_a_layer_whose_name_comes_back():
    built = build(small())
    assert built.layer_name("conv2d_1") == "conv2d-1" == built.layers["conv2d_1"].name
    assert {built.node_name(layer) for layer in built.model.layers} == set(built.graph.nodes)
    assert node_names(built.model)["batch_norm-1"] == "batch_norm_1"


def test_a_model_of_someone_else_has_its_own_names():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="fc_1")])
    assert node_names(model) == {"fc_1": "fc_1"}


def test_no_layer_name_ends_in_a_number_after_an_underscore():
    for layer in build(small()).model.layers:
        assert not re.search(r"_\d+$", layer.name)


def test_weights_are_found_by_node_and_name():
    weights = build(small()).weight_names
    assert {name: tuple(weight.shape) for name, weight in weights.items()} == {
        "conv2d_1/kernel": (3, 3, 3, 4),
        "conv2d_1/bias": (4,),
        "batch_norm_1/gamma": (4,),
        "batch_norm_1/beta": (4,),
        "batch_norm_1/moving_mean": (4,),
        "batch_norm_1/moving_variance": (4,),
        "logits/kernel": (256, 2),
        "logits/bias": (2,),
    }
    assert not weights["batch_norm_1/moving_mean"].trainable


def test_weights_of_inner_layers_have_a_path():
    attention = chain(
        node("x", "Input", shape=(5, 8)),
        node("mha_1", "MultiHeadAttention", num_heads=2, key_dim=4),
    )
    names = list(build(attention).weight_names)
    assert names[:2] == ["mha_1/query/kernel", "mha_1/query/bias"]


def test_a_shared_layer_is_called_once_for_each_of_its_nodes():
    built = build(shared())
    assert built.layers["enc_a"] is built.layers["enc_b"]
    assert built.node_name(built.layers["enc_b"]) == "enc_a"
    assert list(built.weight_names) == ["enc_a/kernel", "enc_a/bias"]
    assert built.outputs[Endpoint("enc_a")] is not built.outputs[Endpoint("enc_b")]
    model, ends = built.all_outputs_model()
    a, b = np.ones((1, 4), "float32"), np.zeros((1, 4), "float32")
    values = dict(zip(ends, model([a, b]), strict=True))
    kernel = built.weight_names["enc_a/kernel"].numpy()
    np.testing.assert_allclose(values[Endpoint("enc_a")][0], kernel.sum(axis=0), rtol=1e-6)
    np.testing.assert_allclose(values[Endpoint("enc_b")][0], np.zeros(3))


def test_a_shared_layer_is_made_as_its_owner_says():
    changed = shared()
    twin = replace(changed["enc_b"], given={"units": 3, "trainable": False})
    built = build(changed.with_nodes({"enc_b": twin}))
    assert built.layers["enc_a"].trainable


def test_every_port_can_be_reached():
    built = build(lstm())
    assert [built.outputs[Endpoint("enc", port)].shape for port in range(3)] == [(None, 4)] * 3
    assert Endpoint("enc", 3) not in built.outputs
    model, ends = built.all_outputs_model()
    assert ends == list(built.outputs)
    values = dict(zip(ends, model(np.ones((2, 5, 3), "float32")), strict=True))
    np.testing.assert_array_equal(values[Endpoint("enc")], values[Endpoint("enc", 1)])


def test_all_outputs_equal_those_of_the_model_itself():
    built = build(small(), seed=1)
    model, ends = built.all_outputs_model()
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    values = dict(zip(ends, model(x), strict=True))
    np.testing.assert_array_equal(values[Endpoint("x")], x)
    np.testing.assert_array_equal(values[Endpoint("logits")], built.model(x))


def test_the_model_takes_inputs_and_gives_sinks_in_the_order_of_the_graph():
    two = graph(
        [
            node("late", "Input", shape=(2,)),
            node("early", "Input", shape=(3,)),
            node("unread", "Input", shape=(7,)),
            node("second", "Dense", units=5),
            node("first", "Dense", units=4),
        ],
        "early first",
        "late second",
    )
    model = build(two).model
    assert [tensor.shape[1] for tensor in model.inputs] == [2, 3, 7]
    assert [tensor.shape[1] for tensor in model.outputs] == [5, 4]


def test_a_single_input_and_output_are_not_lists():
    model = build(small()).model
    assert tuple(model(np.zeros((1, 8, 8, 3), "float32")).shape) == (1, 2)


def test_the_same_input_twice_is_two_slots():
    built = build(graph([image(), node("twice", "Add")], "x twice", "x twice"))
    x = np.ones((1, 8, 8, 3), "float32")
    np.testing.assert_array_equal(built.model(x), 2 * x)


def test_the_seed_fixes_weights_and_masks():
    x = np.ones((1, 8, 8, 3), "float32")
    runs = [build(small(), seed=seed) for seed in (7, 7, 8)]
    first, again, other = [[v.numpy() for v in run.model.variables] for run in runs]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    masked = [np.asarray(run.model(x, training=True)) for run in runs]
    np.testing.assert_array_equal(masked[0], masked[1])


def test_each_random_layer_has_a_seed_of_its_own():
    built = build(small(), seed=7)
    seeds = [v.numpy().tolist() for v in built.model.variables if "seed_generator" in v.path]
    assert len(seeds) == 2
    assert seeds[0] != seeds[1]


def test_the_seed_of_a_node_does_not_depend_on_the_rest_of_the_graph():
    more = chain(image(), node("before", "Conv2D", filters=3), *list(small())[1:])
    ours, theirs = build(small(), seed=7).weight_names, build(more, seed=7).weight_names
    np.testing.assert_array_equal(ours["logits/kernel"], theirs["logits/kernel"])


def test_a_negative_or_huge_seed_is_a_seed():
    build(small(), seed=-1)
    build(small(), seed=2**70)


def test_a_frozen_node_has_no_trainable_weights():
    frozen = chain(image(), node("c", "Conv2D", filters=2, trainable=False))
    built = build(frozen)
    assert not built.layers["c"].trainable
    assert len(built.model.trainable_weights) == 0
    assert len(built.model.non_trainable_weights) == 2


def test_dtypes_reach_the_layers():
    mixed = chain(
        node("x", "Input", shape=(4,), dtype="int32"),
        node("e", "Embedding", input_dim=5, output_dim=2, dtype="mixed_float16"),
    )
    built = build(mixed)
    assert built.outputs[Endpoint("x")].dtype == "int32"
    assert built.outputs[Endpoint("e")].dtype == "float16"


def test_odd_names_are_built_and_exported(tmp_path):
    odd = chain(
        node("输入 1", "Input", shape=(4,)),
        node("a/b@2", "Dense", units=3),
        node("{x}\n'\"", "Dense", units=3),
        name="卷积/1",
    )
    built = build(odd)
    built.model.save(tmp_path / "m.keras")
    built.model.export(str(tmp_path / "saved"), verbose=False)
    again = keras.saving.load_model(tmp_path / "m.keras")
    x = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(again(x), built.model(x))


def test_masks_travel_with_the_tensors():
    masked = chain(
        node("x", "Input", shape=(3,), dtype="int32"),
        node("e", "Embedding", input_dim=5, output_dim=2, mask_zero=True),
        node("r", "LSTM", units=2),
    )
    model = build(masked, seed=0).model
    short = model(np.array([[1, 2, 0]], "int32"))
    np.testing.assert_array_equal(short, model(np.array([[1, 2, 0]], "int32")))
    unmasked = chain(*[node("x", "Input", shape=(3,), dtype="int32")], *list(masked)[1:])
    unmasked = unmasked.with_nodes({"e": node("e", "Embedding", input_dim=5, output_dim=2)})
    assert not np.array_equal(short, build(unmasked, seed=0).model(np.array([[1, 2, 0]], "int32")))


def test_what_keras_refuses_names_the_node_and_says_why():
    bad = chain(image(), node("c", "Conv2D", filters=3, kernel_initializer="glorot"))
    with pytest.raises(BuildError) as caught:
        build(bad)
    assert caught.value.node == "c"
    assert str(caught.value) == (
        "c: Keras cannot make this Conv2D: Could not interpret initializer identifier: glorot"
    )


def test_a_call_that_keras_refuses_names_the_node():
    bad = graph(
        [node("a", "Input", shape=(3,)), node("b", "Input", shape=(4,)), node("s", "Add")],
        "a s",
        "b s",
    )
    with pytest.raises(BuildError) as caught:
        build(bad)
    assert str(caught.value) == (
        "s: Keras cannot make this Add: Inputs have incompatible shapes."
        " Received shapes (3,) and (4,)"
    )


def test_a_port_that_does_not_exist_is_an_error():
    with pytest.raises(BuildError) as caught:
        build(graph([image(), node("r", "ReLU")], "x.2 r"))
    assert str(caught.value) == "r: reads output 2 of 'x', which has 1 of them, numbered from 0"


def test_faults_of_the_wiring_are_found_first():
    with pytest.raises(GraphError, match="takes 1 input, received 0"):
        build(graph([image(), node("r", "ReLU")]))


def test_a_missing_attribute_is_an_error():
    with pytest.raises(AttributeValueError) as caught:
        build(chain(image(), node("c", "Conv2D")))
    assert str(caught.value) == "c.filters: a value is needed, none was given or inferred"


def test_counts_and_shapes_are_those_of_the_analysis():
    for net in (small(), shared(), lstm()):
        analysis = analyze(net).require()
        built = build(analysis.graph)
        assert built.model.count_params() == analysis.totals.params.value
        for end, tensor in built.outputs.items():
            assert tuple(tensor.shape[1:]) == analysis[end.node].outputs[end.port], end
