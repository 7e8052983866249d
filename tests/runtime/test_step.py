"""The step: measuring changes no bit, nothing is traced twice, and its tensors are right."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.graph import OpGraph
from opgraph.record import Layout, StepTensors, parse_measure
from opgraph.runtime import Step, build
from opgraph.runtime.environment import GRAPPLER
from opgraph.runtime.optimizer import make_optimizer

pytestmark = pytest.mark.tf
slow = pytest.mark.slow
Stepped = Callable[..., SimpleNamespace]

# conv-relu without batch normalisation, gelu then dropout, squeeze and excitation, loops, attention
FAMILIES = ("cnn", "gelu", "plain", "squeeze", "lstm", "attention")
OTHERS = ("residual", "shared", "heads", "identity", "half")
OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")
CELLS = [(name, optimizer) for name in FAMILIES for optimizer in OPTIMIZERS]
CELLS += [(name, "adam") for name in OTHERS]
QUICK = {("cnn", "adam"), ("squeeze", "momentum"), ("gelu", "adam")}
PAIRS = [pytest.param(*cell, marks=() if cell in QUICK else slow) for cell in CELLS]


def same_bits(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


PRESETS = ("off", "norms", "default", "full")


def seeds(run: SimpleNamespace) -> list[str]:
    return [v.path for v in run.built.model.variables if "seed_generator_state" in v.path]


@pytest.mark.parametrize(("name", "optimizer"), PAIRS)
def test_measured_bare_and_tensors_end_in_the_same_bits(
    stepped: Stepped, name: str, optimizer: str
) -> None:
    bare = stepped(name, "bare", optimizer)
    full = stepped(name, "full", optimizer)
    tensors = stepped(name, "tensors", optimizer)
    assert same_bits(full.state, bare.state)
    assert same_bits(tensors.state, bare.state)
    for (packed, layout), handed in zip(full.results, tensors.results, strict=True):
        assert same_numbers(packed, layout, handed)
    start = [v.numpy() for v in build(bare.built.graph, seed=0).model.trainable_variables]
    trained = [v.numpy() for v in bare.built.model.trainable_variables]
    assert not same_bits(start, trained)
    kinds = {node.kind.kind for node in bare.built.graph}
    assert bool(seeds(bare)) == bool(kinds & {"Dropout", "LSTM"})


@slow
@pytest.mark.parametrize(("name", "optimizer"), CELLS)
def test_every_preset_ends_in_the_same_bits(stepped: Stepped, name: str, optimizer: str) -> None:
    bare = stepped(name, "bare", optimizer)
    for preset in ("off", "norms", "default"):
        assert same_bits(stepped(name, preset, optimizer).state, bare.state), preset


def same_numbers(packed: np.ndarray, layout: Layout, tensors: StepTensors) -> bool:
    """Whether every moment that was measured is the one of the fetched step, bit for bit."""
    for site, block, _ in layout.blocks:
        for name in block.names:
            own = layout.vector(site, name, packed[None])
            other = tensors.layout.vector(site, name, tensors.packed[None])
            if own.tobytes() != other.tobytes():
                return False
    return bool(layout.blocks)


@pytest.mark.parametrize("statistics", ["kernel", "tensorflow"])
@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_measured_and_how_changes_no_bit(
    stepped: Stepped, preset: str, statistics: str
) -> None:
    bare = stepped("squeeze", "bare", "momentum")
    run = stepped("squeeze", preset, "momentum", statistics=statistics)
    assert run.step.reductions.name == statistics
    assert same_bits(run.state, bare.state)


@slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", FAMILIES)
def test_a_step_compiled_by_xla_is_not_changed_by_measuring(
    stepped: Stepped, name: str, optimizer: str
) -> None:
    bare = stepped(name, "bare", optimizer, jit=True)
    for mode in (*PRESETS, "tensors"):
        assert same_bits(stepped(name, mode, optimizer, jit=True).state, bare.state), mode


@slow
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ["cnn", "lstm", "attention", "heads"])
def test_a_step_of_mixed_precision_is_not_changed_by_measuring(
    stepped: Stepped, name: str, precision: str
) -> None:
    bare = stepped(name, "bare", "adam", precision=precision)
    for mode in ("full", "tensors"):
        assert same_bits(stepped(name, mode, "adam", precision=precision).state, bare.state), mode


@pytest.mark.parametrize("mode", ["full", "tensors"])
def test_micro_batches_are_not_changed_by_measuring(stepped: Stepped, mode: str) -> None:
    bare = stepped("cnn", "bare", "adam", parts=3)
    assert same_bits(stepped("cnn", mode, "adam", parts=3).state, bare.state)


def test_the_programs_of_a_schedule_give_the_same_weights(stepped: Stepped) -> None:
    often = stepped("tiny", "full")
    assert len({len(packed) for packed, _ in often.results}) == 2  # steps 1 and 2 differ
    assert same_bits(stepped("tiny", "bare").state, often.state)


@slow
@pytest.mark.parametrize("name", [*FAMILIES, *OTHERS])
def test_programs_that_take_turns_give_the_same_weights(
    networks: Callable[[str], OpGraph], making: SimpleNamespace, name: str
) -> None:
    """Bare, measured at every step, measured now and then, handed over: any order of programs."""
    start = build(networks(name), seed=0)
    objective = making.objective(start)

    def trained(modes: str) -> list[np.ndarray]:
        built = build(networks(name), seed=0)
        measure = parse_measure("full")
        step = Step(built, make_optimizer("adam", 1e-2), objective=objective, measure=measure)
        for number, mode in enumerate(modes, 1):
            batch = making.batch(built, 8 if number % 3 else 5, number)
            if mode == "b":
                step.bare(*batch)
            elif mode == "t":
                step.tensors(*batch, step=number)
            else:  # 50 is a step at which everything is due, 49 one at which it is not
                step.measured(*batch, step=50 if mode == "w" else 49)
        return [v.numpy() for v in (*built.model.variables, *step.core.optimizer.variables)]

    assert same_bits(trained("bbbbbb"), trained("webtwe"))


def test_grappler_switches_are_on_once_a_step_is_made(stepped: Stepped) -> None:
    stepped("tiny", "bare")
    options = tf.config.optimizer.get_experimental_options()
    assert {name: options[name] for name in GRAPPLER} == GRAPPLER
    assert not any(GRAPPLER.values())


def test_nothing_is_traced_after_the_programs_are_made(
    networks: Callable[[str], OpGraph], making: SimpleNamespace
) -> None:
    built = build(networks("tiny"), seed=0)
    step = Step(built, make_optimizer("adam", 1e-2, "cosine", 50))
    batches = [making.batch(built, size, 0) for size in (8, 3)]
    step.prepare((*inputs, *labels) for inputs, labels in batches)
    assert step.traces == 4  # two sizes, steps that measure more and those that measure less
    for number in range(1, 110):
        inputs, labels = making.batch(built, 8 if number % 4 else 3, number)
        step.measured(inputs, labels, step=number)
    assert step.traces == 4


def test_layout_is_the_same_for_every_batch_size(
    networks: Callable[[str], OpGraph], making: SimpleNamespace
) -> None:
    built = build(networks("tiny"), seed=0)
    step = Step(built, make_optimizer("sgd", 1e-2))
    layouts: list[Layout] = []
    for size in (8, 3):
        packed, layout = step.measured(*making.batch(built, size, 0), step=2)
        assert packed.shape == (layout.size,)
        layouts.append(layout)
    assert layouts[0] == layouts[1]


def test_layers_are_left_as_they_were(stepped: Stepped) -> None:
    for layer in stepped("cnn", "full").built.model.layers:
        assert "call" not in vars(layer)
        assert "_moments" not in vars(layer)


def test_what_is_measured_is_not_known_before_a_program_is_made(
    networks: Callable[[str], OpGraph],
) -> None:
    step = Step(build(networks("tiny"), seed=0), make_optimizer("sgd", 1e-2))
    with pytest.raises(TraceError) as caught:
        _ = step.survey
    assert str(caught.value) == "the step has no program yet\n   call prepare() first"


def test_network_without_weights_cannot_learn(making: SimpleNamespace) -> None:
    from opgraph.errors import Source
    from opgraph.text import parse

    graph = parse(Source("bare", "x: Input(shape=(4,))\nx -> softmax"), "bare")
    step = Step(build(graph, seed=0), make_optimizer("sgd", 1e-2))
    with pytest.raises(TraceError) as caught:
        step.bare([np.zeros((2, 4), np.float32)], [np.zeros(2, np.int32)])
    assert str(caught.value) == (
        "bare: the loss does not depend on any trainable weight, so there is nothing to learn"
    )


# The tensors themselves, against arithmetic ---------------------------------------------------


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_gradients_and_updates_of_a_dense_layer_are_those_of_the_text_book(
    stepped: Stepped,
) -> None:
    run = stepped("tiny", "tensors", "sgd")
    for tensors in run.results:
        get: Callable[[str, str], Any] = lambda node, what, t=tensors: t[node, what]  # noqa: E731
        scores = get("logits", "output").astype(np.float64)
        wanted = (softmax(scores) - np.eye(4)[tensors.labels[0]]) / len(tensors.labels[0])
        assert np.allclose(get("logits", "output.grad"), wanted, atol=1e-7)
        kernel = get("drop", "output").astype(np.float64).T @ wanted
        assert np.allclose(get("logits", "kernel.grad"), kernel, atol=1e-6)
        assert np.allclose(get("logits", "bias.grad"), wanted.sum(axis=0), atol=1e-7)
        below = wanted @ get("logits", "kernel").astype(np.float64).T
        assert np.allclose(get("drop", "output.grad"), below, atol=1e-6)
        for node, what in (("logits", "kernel"), ("d", "bias")):
            before, after = get(node, what), get(node, f"{what}.after")
            assert np.array_equal(get(node, f"{what}.update"), after - before)
            assert np.allclose(after, before - 0.01 * get(node, f"{what}.grad"), atol=1e-8)


def test_steps_follow_each_other(stepped: Stepped) -> None:
    first, second, *_ = stepped("cnn", "tensors").results
    for node, what in (("c1", "kernel"), ("n1", "gamma"), ("n2", "moving_variance")):
        assert np.array_equal(first[node, f"{what}.after"], second[node, what])


def test_gradient_at_the_input_is_there_though_it_is_no_site(stepped: Stepped) -> None:
    run = stepped("tiny", "tensors", "sgd")
    tensors = run.results[0]
    through = tensors["d", "output.grad"].astype(np.float64) @ tensors["d", "kernel"].T
    assert np.allclose(tensors["x", "output.grad"], through, atol=1e-6)
    assert "x" not in {site.node for site in run.step.survey.of("output_grad")}


def test_softmax_before_cross_entropy_has_no_gradient(stepped: Stepped) -> None:
    tensors = stepped("cnn", "tensors").results[0]
    assert tensors["softmax", "output.grad"] is None
    assert np.allclose(
        tensors["softmax", "output"], softmax(tensors["logits", "output"]), atol=1e-6
    )


def test_node_that_hands_on_its_input_has_a_gradient_of_its_own(stepped: Stepped) -> None:
    tensors = stepped("identity", "tensors").results[0]
    at = {n: tensors[n, "output.grad"].astype(np.float64) for n in ("d", "same", "t", "r")}
    assert np.array_equal(tensors["same", "output"], tensors["d", "output"])
    assert np.allclose(at["same"], at["r"] * (tensors["d", "output"] > 0), atol=1e-7)
    by_tanh = at["t"] * (1 - tensors["t", "output"].astype(np.float64) ** 2)
    assert np.allclose(at["d"], at["same"] + by_tanh, atol=1e-6)
    assert not np.allclose(at["d"], at["same"], atol=1e-4)


def test_batch_moments_are_those_of_what_the_layer_reads(stepped: Stepped) -> None:
    for tensors in stepped("cnn", "tensors").results:
        x = tensors["c1", "output"].astype(np.float64)
        mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
        assert np.allclose(tensors["n1", "batch_mean"], mean, atol=1e-6)
        assert np.allclose(tensors["n1", "batch_variance"], variance, rtol=1e-5)
        for what, batch in (("moving_mean", mean), ("moving_variance", variance)):
            after = 0.9 * tensors["n1", what] + 0.1 * batch
            assert np.allclose(tensors["n1", f"{what}.after"], after, rtol=1e-5, atol=1e-7)


def test_batch_moments_of_a_shared_layer_are_told_apart(stepped: Stepped) -> None:
    for tensors in stepped("shared", "tensors").results:
        for node, source in (("na", "ea"), ("nb", "eb")):
            mean = tensors[source, "output"].astype(np.float64).mean(axis=0)
            assert np.allclose(tensors[node, "batch_mean"], mean, atol=1e-6)
        assert not np.allclose(tensors["na", "batch_mean"], tensors["nb", "batch_mean"])


def test_keras_still_computes_batch_moments_where_we_look() -> None:
    layer = keras.layers.BatchNormalization()
    layer.build((None, 3))
    mean, variance = layer._moments(np.array([[1.0, 2, 3], [3, 2, 1]], np.float32), None)
    assert np.array(mean).tolist() == [2, 2, 2]
    assert np.array(variance).tolist() == [1, 0, 1]


def test_sparse_gradient_is_the_whole_table(stepped: Stepped) -> None:
    for tensors in stepped("lstm", "tensors", "sgd").results:
        tokens, grad = tensors["tokens", "output"], tensors["emb", "output.grad"]
        table = np.zeros((20, 6))
        np.add.at(table, tokens.reshape(-1), grad.reshape(-1, 6))
        assert np.allclose(tensors["emb", "embeddings.grad"], table, atol=1e-7)


def test_weight_that_the_loss_does_not_see_has_no_gradient(stepped: Stepped) -> None:
    tensors = stepped("lost", "tensors", "sgd").results[0]
    assert tensors["aside", "kernel.grad"] is None
    assert tensors["aside", "output.grad"] is None
    assert not tensors["aside", "kernel.update"].any()
    assert tensors["d", "kernel.update"].any()
