"""Small networks, each with its reason, and the means to run their steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from opgraph.analysis import analyze
from opgraph.errors import Source
from opgraph.graph import OpGraph
from opgraph.record import KINDS, Keyframe, Record, find_damage, read_best
from opgraph.record.resume import TIMES
from opgraph.text import parse

CLASSES = 4
NETWORKS = {
    # batch normalisation, dropout, softmax at the end: the sample in small
    "cnn": """
        x: Input(shape=(12, 12, 3))
        x -> c1 -> n1 -> relu_1 -> max_pool_1 -> c2 -> n2 -> relu_2 -> global_avg_pool -> d1
        d1 -> relu_3 -> dropout -> logits -> softmax
        c1: Conv2D(filters=8)
        c2: Conv2D(filters=12)
        n1: BatchNormalization(momentum=0.9)
        n2: BatchNormalization(momentum=0.9)
        d1: Dense(units=16)
    """,
    # Grappler rewrites gelu unless constant_folding and arithmetic_optimization are off
    "gelu": """
        x: Input(shape=(12, 12, 1))
        x -> c1 -> g1 -> p1 -> flatten -> d1 -> g2 -> drop -> logits
        c1: Conv2D(filters=6, kernel_size=5)
        g1: Activation(activation=gelu)
        p1: AveragePooling2D
        d1: Dense(units=24)
        g2: Activation(activation=gelu)
        drop: Dropout(rate=0.3)
    """,
    # nothing between convolution and relu that would keep them apart
    "plain": """
        x: Input(shape=(12, 12, 3))
        x -> c1 -> r1 -> c2 -> r2 -> gap -> logits -> softmax
        c1: Conv2D(filters=8)
        c2: Conv2D(filters=8)
        r1: ReLU
        r2: ReLU
        gap: GlobalAveragePooling2D
    """,
    # Grappler fuses dense and sigmoid unless remapping is off
    "squeeze": """
        x: Input(shape=(8, 8, 3))
        x -> c1 -> bn -> gap -> s1 -> r1 -> s2 -> sig -> shape
        bn, shape -> scale
        scale, c1 -> add
        add -> gap2 -> logits -> softmax
        c1: Conv2D(filters=8)
        bn: BatchNormalization
        gap: GlobalAveragePooling2D
        gap2: GlobalAveragePooling2D
        s1: Dense(units=4)
        r1: ReLU
        s2: Dense(units=8)
        sig: Activation(activation=sigmoid)
        shape: Reshape(target_shape=(1, 1, 8))
        scale: Multiply
        add: Add
    """,
    # a block of convolutions beside its own input, with a convolution in the short cut
    "residual": """
        x: Input(shape=(8, 8, 3))
        x -> c1 -> n1 -> r1 -> c2 -> n2
        x -> short
        n2, short -> add -> r2 -> gap -> logits -> softmax
        c1: Conv2D(filters=6, strides=2)
        c2: Conv2D(filters=6)
        short: Conv2D(filters=6, kernel_size=1, strides=2)
        n1: BatchNormalization(momentum=0.9)
        n2: BatchNormalization(momentum=0.9)
        r1: ReLU
        r2: ReLU
        gap: GlobalAveragePooling2D
    """,
    # sparse gradients, an integer input, a loop
    "lstm": """
        tokens: Input(shape=(7,), dtype=int32)
        tokens -> emb -> lstm -> logits -> softmax
        emb: Embedding(input_dim=20, output_dim=6)
        lstm: LSTM(units=5)
    """,
    # one node as two inputs, a residual connection
    "attention": """
        x: Input(shape=(6, 8))
        x, x -> mha
        x, mha -> add -> ln -> drop -> gap -> logits
        mha: MultiHeadAttention(num_heads=2, key_dim=4)
        add: Add
        ln: LayerNormalization
        drop: Dropout(rate=0.2)
        gap: GlobalAveragePooling1D
    """,
    # two inputs; a batch normalisation that is called twice in a step
    "shared": """
        a: Input(shape=(5,))
        b: Input(shape=(5,))
        a -> ea -> na
        b -> eb -> nb
        ea: Dense(units=6)
        eb = ea
        na: BatchNormalization
        nb = na
        na, nb -> cat -> logits
        cat: Concatenate
    """,
    # a node that hands on its input, which another node reads as well
    "identity": """
        x: Input(shape=(5,))
        x -> d -> same -> r
        d -> t
        r, t -> add -> logits
        d: Dense(units=6)
        same: Identity
        r: ReLU
        t: Activation(activation=tanh)
        add: Add
    """,
    # two classes told apart by one number
    "binary": """
        x: Input(shape=(5,))
        x -> d -> out
        d: Dense(units=6, activation=relu)
        out: Dense(units=1, activation=sigmoid)
    """,
    # two inputs and two outputs that are trained, one on classes, one on numbers
    "heads": """
        a: Input(shape=(5,))
        b: Input(shape=(3,))
        a -> ea -> na
        na, b -> cat -> r -> drop
        drop -> kind -> chances
        drop -> price
        ea: Dense(units=6, kernel_regularizer=l2)
        na: BatchNormalization(momentum=0.9)
        cat: Concatenate
        r: ReLU
        drop: Dropout(rate=0.2)
        kind: Dense(units=4)
        chances: Softmax
        price: Dense(units=2)
    """,
    # every kind of dropout that draws a mask, two of them behind zeros; one layer called twice
    "dropouts": """
        x: Input(shape=(6, 4))
        x -> r1 -> plain -> r2 -> spatial -> alpha -> gap -> d -> once -> twice -> logits
        plain: Dropout(rate=0.4)
        spatial: SpatialDropout1D(rate=0.3)
        alpha: AlphaDropout(rate=0.2)
        once: Dropout(rate=0.5)
        twice = once
        r1: ReLU
        r2: ReLU
        gap: GlobalAveragePooling1D
        d: Dense(units=30)
    """,
    # a branch that the loss does not depend on, and a regulariser
    "lost": """
        x: Input(shape=(5,))
        x -> d -> logits -> softmax
        x -> aside
        d: Dense(units=6, kernel_regularizer=l2)
        aside: Dense(units=3)
    """,
    # numbers whose squares overflow in their own type
    "half": """
        x: Input(shape=(50,))
        x -> big -> d -> brain -> logits
        big: Rescaling(scale=1000, dtype=float16)
        d: Dense(units=6, dtype=mixed_float16)
        brain: Rescaling(scale=1e30, dtype=bfloat16)
        logits: Dense(units=4, dtype=float32)
    """,
    # the smallest that learns
    "tiny": """
        x: Input(shape=(4,))
        x -> d -> r -> drop -> logits -> softmax
        d: Dense(units=8)
        r: ReLU
        drop: Dropout(rate=0.25)
    """,
}

# What networks with several outputs are trained for.
OBJECTIVES: dict[str, dict[str, Any]] = {
    "heads": {
        "losses": {"chances": "sparse_categorical_crossentropy", "price": "mse"},
        "loss_weights": {"price": 0.25},
    },
}


@cache
def network(name: str) -> OpGraph:
    """A completed graph."""
    text = "\n".join(line.strip() for line in NETWORKS[name].splitlines())
    graph = parse(Source(name, text), name)
    return analyze(graph, num_classes=CLASSES).require().graph


def batch(built: Any, size: int, seed: int) -> tuple[list[np.ndarray], tuple[np.ndarray, ...]]:
    """Random inputs that fit, and labels."""
    random = np.random.default_rng(seed)
    inputs = [
        random.integers(0, 20, (size, *x.shape[1:])).astype(np.int32)
        if "int" in x.dtype
        else random.normal(size=(size, *x.shape[1:])).astype(np.float32)
        for x in built.model.inputs
    ]
    classes = max(2, built.model.outputs[0].shape[-1])
    labels = random.integers(0, classes, size).astype(np.int32)
    if built.graph.name not in OBJECTIVES:
        return inputs, (labels,)
    numbers = random.normal(size=(size, built.model.outputs[1].shape[-1]))
    return inputs, (labels, numbers.astype(np.float32))


def objective(built: Any) -> Any:
    """What a network is trained for."""
    from opgraph.runtime.objective import choose_objective

    return choose_objective(built.graph, **OBJECTIVES.get(built.graph.name, {}))


def blobs(size: int, seed: int = 0, width: int = 4) -> Any:
    """Data of four classes around four corners, easy to tell apart."""
    from opgraph.runtime.data import Data, Split, Target

    random = np.random.default_rng(seed)

    def split(count: int) -> Split:
        labels = random.integers(0, CLASSES, count).astype(np.int32)
        centres = np.eye(CLASSES, width, dtype=np.float32) * 3
        noise = random.normal(size=(count, width)).astype(np.float32)
        return Split((centres[labels] + noise,), (labels,))

    names = ("north", "east", "south", "west")
    targets = (Target("", "classes", (), CLASSES, names),)
    train, test = split(size), split(size // 2)
    return Data(train, test, CLASSES, names, {"spec": "blobs"}, targets)


@pytest.fixture(scope="session")
def networks() -> Callable[[str], OpGraph]:
    """The completed graph of a network by name."""
    return network


@pytest.fixture(scope="session")
def making() -> SimpleNamespace:
    """Batches and data sets for tests that train."""
    return SimpleNamespace(batch=batch, blobs=blobs, classes=CLASSES, objective=objective)


@pytest.fixture(scope="session")
def same_run() -> Callable[[Record, Record], None]:
    """Asserts that two runs hold the same numbers, bit for bit."""
    return assert_same_run


def assert_same_run(found: Record, expected: Record) -> None:
    """All numbers but times, all keyframes, the best state, and the test at the end."""
    for kind in KINDS:
        tables = [run.table(kind) for run in (found, expected)]
        columns = [name for name in tables[1].column_names if name not in TIMES]
        first, second = (table.select(columns).to_pandas() for table in tables)
        assert first.equals(second), kind
    assert found.keyframe_steps == expected.keyframe_steps
    for step in expected.keyframe_steps:
        assert_same_state(found.keyframe(step), expected.keyframe(step))
    best, wanted = read_best(found.path), read_best(expected.path)
    assert (best is None) == (wanted is None)
    if best is not None and wanted is not None:
        assert_same_state(best, wanted)
    for name in ("steps", "test", "best_step"):
        assert found.info.outcome.get(name) == expected.info.outcome.get(name)
    assert find_damage(found) == []
    assert [path for path in found.path.rglob("*") if path.name.startswith(".")] == []


def assert_same_state(found: Keyframe, expected: Keyframe) -> None:
    names = ("step", "cursor", "metrics", "state")
    assert [getattr(found, n) for n in names] == [getattr(expected, n) for n in names]
    assert list(found.arrays) == list(expected.arrays)
    for name, array in expected.arrays.items():
        assert found.arrays[name].tobytes() == array.tobytes(), name


@pytest.fixture(scope="session")
def stepped() -> Callable[..., SimpleNamespace]:
    """Some steps of a network in one mode, from the same start; the same call runs once."""

    def stepped(name: str, mode: str, optimizer: str = "adam", **how: Any) -> SimpleNamespace:
        return _stepped(name, mode, optimizer, **how)

    return stepped


@cache
def _stepped(
    name: str,
    mode: str,
    optimizer: str,
    *,
    steps: int = 5,
    size: int = 8,
    jit: bool = False,
    parts: int = 1,
    statistics: str = "auto",
    precision: str | None = None,
    measure: str = "full",
) -> SimpleNamespace:
    """Take steps: `bare`, `tensors`, or measured with the preset that `mode` names."""
    import keras

    from opgraph.record import parse_measure
    from opgraph.runtime import Step, build
    from opgraph.runtime.kernels import reductions
    from opgraph.runtime.optimizer import make_optimizer
    from opgraph.runtime.step import Programs

    built = build(network(name), seed=0, precision=precision)
    chosen = make_optimizer(optimizer, 1e-2)
    if precision == "mixed_float16":
        chosen = keras.optimizers.LossScaleOptimizer(chosen)
    step = Step(
        built,
        chosen,
        objective=objective(built),
        measure=parse_measure(measure if mode in ("bare", "tensors") else mode),
        statistics=reductions(statistics),
        programs=Programs(jit, parts),
    )
    results: list[Any] = []
    for number in range(1, steps + 1):
        inputs, labels = batch(built, size, number)
        if mode == "bare":
            results.append(step.bare(inputs, labels))
        elif mode == "tensors":
            results.append(step.tensors(inputs, labels, step=number))
        else:
            results.append(step.measured(inputs, labels, step=number))
    variables = (*built.model.variables, *step.core.optimizer.variables)
    return SimpleNamespace(
        built=built, step=step, results=results, state=[v.numpy() for v in variables]
    )
