"""Which losses a network is trained for, and why; what they come to on a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from opgraph.analysis import analyze
from opgraph.errors import Source, TraceError
from opgraph.graph import Endpoint, OpGraph
from opgraph.runtime import Objective, choose_objective
from opgraph.runtime.objective import Head
from opgraph.text import parse

pytestmark = pytest.mark.tf
RANDOM = np.random.default_rng(0)
TWO = ("x -> a", "x -> b", "a: Dense(units=3)", "b: Dense(units=1)")


def read(*lines: str) -> OpGraph:
    text = "\n".join(("x: Input(shape=(4,))", *lines))
    return analyze(parse(Source("net", text), "net")).require().graph


def scores(*shape: int) -> Any:
    return tf.constant(RANDOM.normal(size=shape), tf.float32)


def softmax(values: np.ndarray) -> np.ndarray:
    raised = np.exp(values - values.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


@pytest.mark.parametrize(
    ("lines", "loss", "from_logits", "reason"),
    [
        (
            ("x -> d -> softmax", "d: Dense(units=3)"),
            "sparse_categorical_crossentropy",
            False,
            "'softmax' ends in a softmax: cross-entropy of its probabilities",
        ),
        (
            ("x -> d", "d: Dense(units=3, activation=softmax)"),
            "sparse_categorical_crossentropy",
            False,
            "'d' ends in a softmax: cross-entropy of its probabilities",
        ),
        (
            ("x -> d", "d: Dense(units=3)"),
            "sparse_categorical_crossentropy",
            True,
            "'d' is taken as scores: cross-entropy from logits",
        ),
        (
            ("x -> d -> s", "d: Dense(units=1)", "s: Activation(activation=sigmoid)"),
            "binary_crossentropy",
            False,
            "'s' is a single probability: binary cross-entropy",
        ),
        (
            ("x -> d", "d: Dense(units=1)"),
            "binary_crossentropy",
            True,
            "'d' is a single score: binary cross-entropy",
        ),
    ],
)
def test_loss_follows_from_the_last_node(
    lines: tuple[str, ...], loss: str, from_logits: bool, reason: str
) -> None:
    (head,) = choose_objective(read(*lines)).heads
    assert (head.loss, head.from_logits, head.reason) == (loss, from_logits, reason)
    assert (head.kind, head.metrics, head.weight) == ("classes", ("accuracy",), 1.0)


def test_of_several_outputs_the_one_that_ends_in_a_softmax_is_taken(
    networks: Callable[[str], OpGraph],
) -> None:
    assert choose_objective(networks("lost")).head.endpoint.node == "softmax"


def test_several_outputs_without_a_softmax_are_refused() -> None:
    with pytest.raises(TraceError) as caught:
        choose_objective(read("x -> a", "x -> b", "a: Dense(units=2)", "b: Dense(units=3)"))
    assert str(caught.value) == (
        "net: there are 2 outputs ('a', 'b') and it is not clear which one the labels belong to\n"
        "   end exactly one branch in a Softmax, cut the others off, or name a loss for each:"
        " --loss a=... --loss b=..."
    )


def test_sigmoid_with_several_units_is_refused() -> None:
    with pytest.raises(TraceError) as caught:
        choose_objective(read("x -> d", "d: Dense(units=3, activation=sigmoid)"))
    assert str(caught.value) == (
        "d: ends in a sigmoid with several units, which answers several questions at once; class"
        " labels answer one\n   end it in a Softmax, give it one unit, or say --loss"
        " binary_crossentropy and bring flags"
    )


def test_probabilities_and_predictions_agree() -> None:
    head = choose_objective(read("x -> d", "d: Dense(units=3)")).head
    values = np.array([[0.0, 2.0, 1.0], [5.0, 0.0, 0.0]])
    assert head.predictions(tf.constant(values)).numpy().tolist() == [1, 0]
    assert np.allclose(head.probabilities(tf.constant(values)), softmax(values))


@pytest.mark.parametrize(("from_logits", "values"), [(True, [-1.0, 1.0]), (False, [0.2, 0.8])])
def test_binary_probabilities_are_of_both_classes(from_logits: bool, values: list[float]) -> None:
    head = Head(Endpoint("d"), "binary_crossentropy", from_logits)
    output = tf.constant([[value] for value in values])
    assert head.predictions(output).numpy().tolist() == [0, 1]
    chances = head.probabilities(output).numpy()
    assert np.allclose(chances.sum(axis=1), 1)
    assert chances.argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize(("from_logits", "dtype"), [(True, "float32"), (False, "float64")])
def test_a_single_head_is_the_keras_loss_bit_for_bit(from_logits: bool, dtype: str) -> None:
    labels, output = tf.constant([0, 2, 1]), tf.cast(scores(3, 3), dtype)
    output = output if from_logits else tf.nn.softmax(output)
    objective = Objective((Head(Endpoint("d"), "sparse_categorical_crossentropy", from_logits),))
    found = objective.judge([labels], {Endpoint("d"): output}).loss
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits, dtype=dtype)
    assert found.dtype == dtype
    assert found.numpy().tobytes() == loss(labels, output).numpy().tobytes()


def test_a_single_binary_head_is_the_keras_loss_bit_for_bit() -> None:
    labels, output = tf.constant([0, 1, 1]), scores(3, 1)
    objective = Objective((Head(Endpoint("d"), "binary_crossentropy", True),))
    loss = keras.losses.BinaryCrossentropy(from_logits=True, dtype="float32")
    wanted = loss(tf.constant([[0.0], [1.0], [1.0]]), output)
    found = objective.judge([labels], {Endpoint("d"): output}).loss
    assert found.numpy().tobytes() == wanted.numpy().tobytes()


def test_several_heads_are_added_up_by_weight() -> None:
    graph = read(*TWO)
    objective = choose_objective(
        graph, losses={"b": "mse", "a": "sparse_categorical_crossentropy"}, loss_weights={"b": 0.25}
    )
    assert objective.part_names == ("a", "b")
    assert objective.metric_names == ("a_accuracy", "b_mae")
    ids, numbers = np.array([0, 2, 2]), np.array([[1.0], [0.0], [-1.0]])
    a, b = scores(3, 3), scores(3, 1)
    judged = objective.judge(
        [tf.constant(ids), tf.constant(numbers, tf.float32)], {Endpoint("a"): a, Endpoint("b"): b}
    )
    entropy = -np.log(softmax(a.numpy().astype(float))[range(3), ids]).mean()
    square = np.mean((b.numpy() - numbers) ** 2)
    assert {k: float(v) for k, v in judged.parts.items()} == pytest.approx(
        {"a": entropy, "b": square}, rel=1e-5
    )
    assert float(judged.loss) == pytest.approx(entropy + 0.25 * square, rel=1e-5)
    right, count = (int(x) for x in judged.metrics["a_accuracy"])
    assert (right, count) == ((a.numpy().argmax(1) == ids).sum(), 3)
    total, count = judged.metrics["b_mae"]
    assert objective.metric_value("b_mae", float(total), int(count)) == pytest.approx(
        np.abs(b.numpy() - numbers).mean(), rel=1e-5
    )


def test_judging_works_inside_a_traced_function_and_has_gradients() -> None:
    objective = choose_objective(read(*TWO), losses={"a": "categorical_hinge", "b": "huber"})
    a, b = tf.Variable(scores(3, 3)), tf.Variable(scores(3, 1))

    @tf.function(autograph=False)
    def run() -> Any:
        with tf.GradientTape() as tape:
            judged = objective.judge(
                [tf.constant([0, 1, 2]), tf.ones((3, 1))], {Endpoint("a"): a, Endpoint("b"): b}
            )
        return tape.gradient(judged.loss, [a, b])

    assert all(float(tf.norm(grad)) > 0 for grad in run())


def test_a_function_of_the_users_is_averaged() -> None:
    def cubed(labels: Any, output: Any) -> Any:
        return tf.abs(output - labels) ** 3

    objective = choose_objective(read("x -> d", "d: Dense(units=2)"), losses=cubed,
                                 kinds={"d": "numbers"})  # fmt: skip
    labels, output = scores(5, 2), scores(5, 2)
    found = objective.judge([labels], {Endpoint("d"): output})
    wanted = np.mean(np.abs(output.numpy() - labels.numpy()) ** 3.0)
    assert float(found.loss) == pytest.approx(wanted, rel=1e-5)
    assert objective.as_dict()[0]["name"].startswith("custom:")
    assert objective.metric_names == ("mae",)


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        ("Dense(units=1)", "numbers"),
        ("Dense(units=1, activation=sigmoid)", "classes"),
        ("Dense(units=3)", "classes"),
    ],
)
def test_what_a_function_compares_is_guessed_from_the_output(last: str, kind: str) -> None:
    graph = read("x -> d", f"d: {last}")
    assert choose_objective(graph, losses=lambda labels, output: output).head.kind == kind


def test_label_smoothing_is_the_formula() -> None:
    objective = choose_objective(read("x -> d", "d: Dense(units=3)"), label_smoothing=0.2)
    ids, output = np.array([0, 2, 1, 1]), scores(4, 3)
    found = objective.judge([tf.constant(ids)], {Endpoint("d"): output})
    wanted = np.eye(3)[ids] * 0.8 + 0.2 / 3
    chances = softmax(output.numpy().astype(float))
    assert float(found.loss) == pytest.approx(-(wanted * np.log(chances)).sum(1).mean(), rel=1e-5)
    right, count = found.metrics["accuracy"]
    assert (int(right), int(count)) == ((output.numpy().argmax(1) == ids).sum(), 4)


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_class_weights_multiply_each_example_as_in_fit(units: int, smoothing: float) -> None:
    graph = read("x -> d", f"d: Dense(units={units})")
    ids = np.array([0, 1, 1, 0, 1])
    objective = choose_objective(graph, class_weights={0: 0.5, 1: 4.0}, label_smoothing=smoothing)
    inputs = keras.Input((units,))
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    kind = keras.losses.BinaryCrossentropy if units == 1 else keras.losses.CategoricalCrossentropy
    model.compile(loss=kind(from_logits=True, label_smoothing=smoothing), jit_compile=False)
    output = scores(5, units)
    targets = ids[:, None] if units == 1 else np.eye(3)[ids]
    weights = np.array([0.5, 4.0])[ids]
    wanted = model.evaluate(output, targets, batch_size=5, sample_weight=weights, verbose=0)
    found = objective.judge([tf.constant(ids)], {Endpoint("d"): output}).loss
    assert float(found) == pytest.approx(wanted, rel=1e-5)
    plain = objective.without_class_weights().judge([tf.constant(ids)], {Endpoint("d"): output})
    assert float(plain.loss) == pytest.approx(
        model.evaluate(output, targets, batch_size=5, verbose=0), rel=1e-5
    )


def test_balanced_class_weights_make_classes_count_alike() -> None:
    labels = np.array([0] * 6 + [1] * 2, np.int32)
    graph = read("x -> d", "d: Dense(units=3)")
    head = choose_objective(graph, class_weights="balanced", labels=[labels]).head
    assert head.class_weights == pytest.approx((8 / (2 * 6), 8 / (2 * 2), 1.0))


def test_kinds_of_labels_decide_where_nothing_is_said() -> None:
    graph = read(*TWO)
    objective = choose_objective(graph, kinds={"b": "numbers", "a": "flags"})
    assert [(h.name, h.loss_name, h.kind) for h in objective.heads] == [
        ("a", "binary_crossentropy", "flags"),
        ("b", "mse", "numbers"),
    ]
    assert [head.reason for head in objective.heads] == [
        "the labels of 'a' are flags: binary cross-entropy of each",
        "the labels of 'b' are numbers: squared error",
    ]
    one = choose_objective(graph, losses="mae", kinds={"b": "numbers", "a": "numbers"})
    assert [head.loss for head in one.heads] == ["mae", "mae"]


def test_flags_answer_several_questions() -> None:
    graph = read("x -> d", "d: Dense(units=3, activation=sigmoid)")
    objective = choose_objective(graph, losses="binary_crossentropy", metrics=("accuracy", "f1"))
    output = tf.constant([[0.9, 0.2, 0.6], [0.1, 0.8, 0.4]])
    labels = tf.constant([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    assert objective.head.kind == "flags"
    assert objective.head.predictions(output).numpy().tolist() == [[1, 0, 1], [0, 1, 0]]
    judged = objective.judge([labels], {Endpoint("d"): output})
    chances = np.where(labels.numpy() == 1, output.numpy(), 1 - output.numpy()).astype(float)
    assert float(judged.loss) == pytest.approx(-np.log(chances).mean(), rel=1e-5)
    assert {k: (int(a), int(b)) for k, (a, b) in judged.metrics.items()} == {
        "accuracy": (4, 6),
        "f1": (4, 6),
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"losses": {"c": "mse"}},
            "loss: 'c' is no trained output; there are: 'a', 'b'",
        ),
        (
            {"losses": {"a": "msee"}},
            "loss of 'a': expected one of sparse_categorical_crossentropy,"
            " categorical_crossentropy, categorical_focal_crossentropy, categorical_hinge,"
            " binary_crossentropy, binary_focal_crossentropy, hinge, squared_hinge, mse, mae, mape,"
            " msle, huber, log_cosh, poisson, kl_divergence, cosine_similarity, received 'msee'\n"
            "   did you mean 'mse'?",
        ),
        (
            {"losses": {"a": "huber(deltas=2)"}},
            "loss of 'a': huber has no argument 'deltas'\n   did you mean 'delta'?",
        ),
        (
            {"losses": {"a": 3}},
            "loss of 'a': expected the name of a loss or a function, received 3",
        ),
        (
            {"losses": {"a": "custom:mine"}},
            "loss of 'a': 'mine' is a Python function, which cannot be named in a file or a command"
            "\n   hand it over in Python: opgraph.trace(..., loss=function)",
        ),
        (
            {"losses": {"b": "sparse_categorical_crossentropy"}},
            "b: sparse_categorical_crossentropy needs one unit for each class, and there is a"
            " single one\n   use binary_crossentropy, or give it as many units as classes",
        ),
        (
            {"losses": {"a": "sparse_categorical_crossentropy"}, "kinds": {"a": "numbers"}},
            "a: sparse_categorical_crossentropy compares class ids, the labels of this output are"
            " numbers\n   use mse, mae or huber",
        ),
        (
            {"losses": {"a": "mse"}, "metrics": ("accurcy",)},
            "metrics: expected some of accuracy, binary_accuracy, categorical_accuracy,"
            " top_5_accuracy, precision, recall, f1, mse, rmse, mae, mape, cosine_similarity,"
            " received 'accurcy'\n   did you mean 'accuracy'?",
        ),
        (
            {"losses": {"a": "mse"}, "metrics": ("accuracy",)},
            "metrics: accuracy means nothing for labels that are numbers\n"
            "   those that do: mse, rmse, mae, mape, cosine_similarity",
        ),
        (
            {"losses": {"a": "mse"}, "loss_weights": {"b": 1}},
            "loss_weights: 'b' is no trained output; there are: 'a'",
        ),
        (
            {"losses": {"a": "mse"}, "loss_weights": {"a": -1}},
            "loss_weights: a: expected a number from 0 on, received -1",
        ),
        (
            {"losses": {"a": "mse"}, "label_smoothing": 0.1},
            "label_smoothing: mse knows no certainty that could be smoothed",
        ),
        (
            {"losses": {"a": "mse"}, "class_weights": {0: 2}},
            "class_weights: there are no classes to weigh",
        ),
        (
            {"losses": {"b": "binary_crossentropy"}, "class_weights": {2: 2}},
            "class_weights: names class 2; there are 2, numbered from 0",
        ),
        (
            {"losses": {"b": "binary_crossentropy"}, "class_weights": "balanced"},
            "class_weights: balanced needs the labels that are trained on",
        ),
        (
            {"losses": {"b": "binary_crossentropy"}, "class_weights": "balance"},
            "class_weights: expected balanced or factors such as 0=1,1=3, received 'balance'\n"
            "   did you mean 'balanced'?",
        ),
    ],
)
def test_what_cannot_be_an_objective(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TraceError) as caught:
        choose_objective(read(*TWO), **options)
    assert str(caught.value) == message


def test_the_only_head_of_several_is_refused() -> None:
    objective = choose_objective(read(*TWO), losses={"a": "mse", "b": "mse"})
    with pytest.raises(TraceError) as caught:
        _ = objective.head
    assert str(caught.value) == "objective: is trained on 2 outputs: 'a', 'b'"


def test_numbers_have_no_probabilities() -> None:
    head = choose_objective(read(*TWO), losses={"a": "mse"}).head
    with pytest.raises(TraceError) as caught:
        head.probabilities(scores(1, 3))
    assert str(caught.value) == "a: answers numbers, not classes"


def test_labels_of_another_shape_are_refused() -> None:
    objective = choose_objective(read(*TWO), losses={"a": "mse"})
    with pytest.raises(TraceError) as caught:
        objective.judge([scores(2, 5)], {Endpoint("a"): scores(2, 3)})
    assert str(caught.value) == (
        "loss: labels of shape (5,) cannot be compared with an output of shape (3,)"
    )


def test_which_way_is_up() -> None:
    objective = choose_objective(read(*TWO), losses={"a": "mse", "b": "binary_crossentropy"})
    assert objective.higher_is_better("val_b_accuracy")
    assert not objective.higher_is_better("val_a_mae")
    assert not objective.higher_is_better("loss")
