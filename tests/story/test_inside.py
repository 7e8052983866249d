"""What happens inside recurrent and attention layers, told and checked against Keras."""

import numpy as np
import pytest
from checking import WORDS, check_recorded, check_text

import opgraph
from opgraph.story import Table, Worked

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.tf

RECURRENT = """
x: Input(shape=(5, 3))
x -> lstm: LSTM(units=4, return_sequences=true)
lstm -> gru: GRU(units=4, return_sequences=true)
gru -> old: GRU(units=3, reset_after=false, return_sequences=true, go_backwards=true)
old -> sum: Bidirectional(layer=GRU(units=3), merge_mode=sum)
lstm -> last: SimpleRNN(units=3, kernel_regularizer=l2)
sum, last -> joined: Concatenate -> out: Dense(units=3) -> p: Softmax
"""
ATTENTIVE = """
x: Input(shape=(6, 5)) -> e: Dense(units=8)
e, e -> heads: MultiHeadAttention(num_heads=2, key_dim=3, use_causal_mask=true)
e -> keys: Dense(units=8)
heads, e, keys -> across: MultiHeadAttention(num_heads=2, key_dim=3, value_dim=2)
across, across -> group: GroupedQueryAttention(head_dim=3, num_query_heads=4, num_key_value_heads=2)
group, e -> plain: Attention(use_scale=true)
plain, e -> added: AdditiveAttention
added -> mean: GlobalAveragePooling1D -> out: Dense(units=3) -> p: Softmax
"""


def sequences(shape=(5, 3), rows=16):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, *shape)).astype("float32"), rng.integers(0, 3, rows).astype("i4")


def trained(text, data, path, **options):
    options = {"steps": 2, "batch_size": 4, "learning_rate": 0.05, "measure": "off", **options}
    run = opgraph.trace(opgraph.read(text), data, output=path / "run", **options)
    run.replay(data=data)
    return run


@pytest.fixture(scope="module")
def recurrent(tmp_path_factory):
    return trained(RECURRENT, sequences(), tmp_path_factory.mktemp("recurrent"))


@pytest.fixture(scope="module")
def attentive(tmp_path_factory):
    return trained(ATTENTIVE, sequences((6, 5)), tmp_path_factory.mktemp("attentive"))


def lines_of(found, phase="forward"):
    """Worked lines of a phase by the name before the bracket."""
    blocks = [b for p in found.story.phases if p.name == phase for b in p.blocks]
    return {
        item.name.split("[")[0]: item
        for b in blocks
        for item in b.items
        if isinstance(item, Worked)
    }


def table_of(found, phase="forward"):
    blocks = [b for p in found.story.phases if p.name == phase for b in p.blocks]
    return [item for b in blocks for item in b.items if isinstance(item, Table)]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("which", ["recurrent", "attentive"])
def test_all_numbers_agree_and_come_out_as_printed(which, lang, request):
    run = request.getfixturevalue(which)
    found = run.explain(2, lang=lang)
    assert found.story.defects == []
    lines = check_text(found.text(), WORDS[lang])
    lines = [line for line in lines if "[" in line.name]  # a single number began as another one
    assert check_recorded(run.at(2), lines) >= 20
    assert not {"forward.unknown", "inside.unknown"} & {
        getattr(i, "key", "") for p in found.story.phases for b in p.blocks for i in b.items
    }


@pytest.mark.parametrize("name", ["lstm", "gru", "old", "sum", "last"])
def test_every_step_unit_and_example_can_be_told(name, recurrent):
    output = recurrent.at(1).find(name, "output")
    rng = np.random.default_rng(1)
    for _ in range(4):
        example, *at = (int(rng.integers(size)) for size in output.shape)
        found = recurrent.explain(
            1, node=name, index=",".join(map(str, at)), example=example, phase="forward"
        )
        assert found.story.defects == []
        line = lines_of(found)[f"{name}.output"]
        assert line.check.recorded == pytest.approx(float(output[(example, *at)]), rel=1e-6)
        assert line.value == pytest.approx(line.check.recorded, abs=1e-6)
        check_text(found.text(), WORDS["en"])


def weights_of(run, step, node, scope):
    tensors = run.at(step)
    names = ("kernel", "recurrent_kernel", "bias")
    return [tensors.find(f"{node}{scope}", name).astype("float64") for name in names]


def cell_of(cell, weights, width):
    cell.build((None, width))
    cell.set_weights(weights)
    return cell


def test_gates_of_an_lstm_are_those_of_keras(recurrent):
    """c' is linear in c: its slope is f, its value at 0 is i g; h' is o tanh(c')."""
    step, example, unit = 3, 2, 1
    found = recurrent.explain(2, node="lstm", index=f"{step},{unit}", example=example)
    weights = weights_of(recurrent, 2, "lstm", "/lstm_cell")
    cell = cell_of(keras.layers.LSTMCell(4, dtype="float64"), weights, 3)
    x = recurrent.at(2).find("x", "output")[example : example + 1].astype("float64")
    h, c = np.zeros((1, 4)), np.zeros((1, 4))
    for at in range(step):
        _, (h, c) = cell(x[:, at], [h, c])
    _, (_, at_zero) = cell(x[:, step], [h, np.zeros((1, 4))])
    _, (_, at_one) = cell(x[:, step], [h, np.ones((1, 4))])
    _, (new_h, new_c) = cell(x[:, step], [h, c])
    forget, written = np.asarray(at_one - at_zero), np.asarray(at_zero)
    lines = {name: line.value for name, line in lines_of(found).items()}
    assert lines["lstm.forget_gate"] == pytest.approx(float(forget[0, unit]), rel=1e-12)
    got = lines["lstm.input_gate"] * lines["lstm.content"]
    assert got == pytest.approx(float(written[0, unit]), rel=1e-12)
    assert lines["lstm.carry"] == pytest.approx(float(new_c[0, unit]), rel=1e-12)
    shown = float(new_h[0, unit]) / np.tanh(float(new_c[0, unit]))
    assert lines["lstm.output_gate"] == pytest.approx(shown, rel=1e-12)
    row = table_of(found)[-1].rows[step]
    assert row[2:] == pytest.approx(
        [
            lines[f"lstm.{n}"]
            for n in ("forget_gate", "input_gate", "content", "output_gate", "carry")
        ]
        + [float(new_h[0, unit])]
    )


@pytest.mark.parametrize(("name", "reset_after"), [("gru", True), ("old", False)])
def test_gates_of_a_gru_are_those_of_keras(name, reset_after, recurrent):
    """With a content of 0 the new state is z h."""
    step, example, unit = 2, 1, 0
    found = recurrent.explain(2, node=name, index=f"{step},{unit}", example=example)
    weights = weights_of(recurrent, 2, name, "/gru_cell")
    units, width = weights[1].shape[0], weights[0].shape[0]
    source = "lstm" if name == "gru" else "gru"
    x = recurrent.at(2).find(source, "output")[example : example + 1].astype("float64")
    x = x if name == "gru" else x[:, ::-1]
    cells = [keras.layers.GRUCell(units, reset_after=reset_after, activation=a, dtype="float64")
             for a in ("tanh", lambda x: x * 0)]  # fmt: skip
    cell, empty = (cell_of(each, weights, width) for each in cells)
    h = np.zeros((1, units))
    for at in range(step):
        h, _ = cell(x[:, at], [h])
    new, _ = cell(x[:, step], [h])
    kept, _ = empty(x[:, step], [h])
    lines = {n: line.value for n, line in lines_of(found).items()}
    z = float(kept[0, unit]) / float(h[0, unit])
    assert lines[f"{name}.update_gate"] == pytest.approx(z, rel=1e-12)
    content = (float(new[0, unit]) - float(kept[0, unit])) / (1 - z)
    assert lines[f"{name}.content"] == pytest.approx(content, rel=1e-12)


def test_weights_of_an_attention_are_those_of_keras(attentive):
    found = attentive.explain(2, node="heads", index="4,3", example=1)
    tensors = attentive.at(2)
    layer = keras.layers.MultiHeadAttention(2, 3, dtype="float64")
    x = tensors.find("e", "output").astype("float64")
    layer(x, x)
    names = ("query", "key", "value", "attention_output")
    layer.set_weights([tensors.find(f"heads/{n}", w) for n in names for w in ("kernel", "bias")])
    _, scores = layer(x, x, use_causal_mask=True, return_attention_scores=True)
    lines = lines_of(found)
    (chosen,) = (line for name, line in lines.items() if name == "heads.probabilities")
    place = tuple(int(word) for word in chosen.name.split("[")[1].rstrip("]").split(","))
    near = {"rel": 1e-7}  # Keras holds 1 / √3 in float32
    assert chosen.value == pytest.approx(float(np.asarray(scores)[place]), **near)
    taken = {row[0]: row[2] for row in table_of(found)[0].rows}
    for key, weight in taken.items():
        assert weight == pytest.approx(float(np.asarray(scores)[(*place[:3], int(key))]), **near)
    assert taken["5"] == 0.0
    assert "Of the 6 positions 1 may not be looked at" in found.text()


def test_kernels_of_an_attention_were_drawn_as_the_network_says(attentive):
    """Keras counts what a projection adds up, not the shape of its kernel."""
    for node in ("heads", "across", "group"):
        found = attentive.explain(1, node=node, phase="initial")
        lines, text = lines_of(found, "initial"), " ".join(found.text().split())
        assert "they were not drawn as the network says" not in text
        kernel = attentive.at(1).find(f"{node}/attention_output", "kernel")
        limit = np.sqrt(6 / (kernel.shape[0] * kernel.shape[1] + kernel.shape[2]))
        assert lines[f"{node}.attention_output/kernel.limit"].value == pytest.approx(limit)


def test_the_gradient_of_a_kernel_is_the_sum_over_its_steps(recurrent):
    found = recurrent.explain(2, node="lstm", phase="backward")
    lines = lines_of(found, "backward")
    line = lines["lstm.lstm_cell/kernel.grad"]
    notes = [term.note for term in line.numbers.terms]
    assert notes == [f"t={at}" for at in range(5)]
    assert line.check.verdict == "agrees"
    assert line.check.recorded == pytest.approx(line.value, rel=1e-4)
    assert line.by_example.sum() == pytest.approx(line.value)
    gates = ("forget_gate", "input_gate", "content", "output_gate")
    assert any(f"lstm.{gate}.sum.grad" in lines for gate in gates)
    assert "lstm.carry.grad" in lines


def test_a_regulariser_of_a_recurrent_kernel_has_its_own_term(recurrent):
    found = recurrent.explain(2, node="last", phase="backward")
    assert "The regulariser of simple_rnn_cell/kernel adds a term of its own:" in found.text()


@pytest.mark.slow
def test_a_masked_step_is_passed_over(tmp_path):
    text = """
    x: Input(shape=(6,), dtype=int32) -> e: Embedding(input_dim=9, output_dim=4, mask_zero=true)
    e -> a: LSTM(units=3, return_sequences=true) -> b: GRU(units=3, return_sequences=true)
    b -> c: Bidirectional(layer=LSTM(units=2, return_sequences=true))
    c -> d: Bidirectional(layer=SimpleRNN(units=2), merge_mode=ave) -> out: Dense(units=3)
    out -> p: Softmax
    """
    rng = np.random.default_rng(3)
    tokens = rng.integers(1, 9, (16, 6)).astype("int32")
    tokens[:, 4:], tokens[::2, 2] = 0, 0
    data = (tokens, rng.integers(0, 3, 16).astype("int32"))
    run = trained(text, data, tmp_path)
    for example in (0, 1):
        found = run.explain(2, example=example)
        assert found.story.defects == []
        check_text(found.text(), WORDS["en"])
    squared = " ".join(run.explain(2, node="e", phase="update").text().split())
    assert "where it squares them, it adds the" in squared  # tokens that are looked up again
    example = int(np.argmax(run.at(2).find("x", "output")[:, 2] == 0))
    text = run.explain(2, node="a", index="5,1", example=example, phase="forward").text()
    assert "A mask hides step 5 of this example" in text
    assert run.explain(2, node="a", index="2,1", example=example).story.defects == []


def test_what_is_drawn_inside_is_told_where_it_is_recorded(tmp_path):
    """Weights that an attention dropped are known, what a recurrent layer dropped is not."""
    text = """
    x: Input(shape=(3, 4)) -> a: LSTM(units=4, return_sequences=true, recurrent_dropout=0.2)
    a, a -> b: Attention(dropout=0.4)
    b, a -> c: MultiHeadAttention(num_heads=2, key_dim=2, dropout=0.4, use_causal_mask=true)
    c -> flat: Flatten -> out: Dense(units=3) -> p: Softmax
    """
    run = trained(text, sequences((3, 4)), tmp_path, steps=1)
    found = run.explain(1)
    assert found.story.defects == []
    check_text(found.text(), WORDS["en"])
    plain = " ".join(found.text().split())
    assert "LSTM drops numbers at random inside (dropout 0, recurrent dropout 0.2)." in plain
    assert "Recorded was a.output[" in plain
    assert "The derivative of LSTM is neither told in full nor computed independently" in plain
    assert plain.count("Dropout then drops weights at random with probability 0.4") == 2
    lines = lines_of(found)
    assert lines["b.output"].check.independent == pytest.approx(lines["b.output"].value)
    mask, output = run.at(1).find("b", "mask"), run.at(1).find("b", "output").astype("float64")
    x = run.at(1).find("a", "output").astype("float64")
    chances = np.exp(x @ x.swapaxes(1, 2))
    chances /= chances.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose((chances * mask / 0.6) @ x, output, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_narrow_numbers_agree_within_their_own_tolerance(precision, tmp_path):
    text = """
    x: Input(shape=(5, 3)) -> d: Dense(units=8, activation=tanh)
    d -> a: LSTM(units=4, return_sequences=true)
    a, a -> b: MultiHeadAttention(num_heads=2, key_dim=4) -> n: LayerNormalization
    n -> c: GRU(units=4) -> g: Dense(units=6) -> bn: BatchNormalization -> r: ReLU
    r -> out: Dense(units=3) -> p: Softmax
    """
    run = trained(text, sequences(rows=32), tmp_path, precision=precision, steps=3, seed=1)
    scaled = precision == "mixed_float16"
    for step in (1, 3):
        found = run.explain(step)
        assert found.story.defects == []
        assert found.story.count("agrees") > 30
        check_text(found.text(), WORDS["en"])
        plain, figures = " ".join(found.text().split()), run.at(step).figures
        scale = f"the loss was multiplied by {figures.get('loss_scale', 0):.0f} "
        assert (scale in plain) == scaled
        left_out = "so this update was left out" in plain  # the first scale is often too large
        assert left_out == bool(figures.get("skipped"))
    dtype, unit = precision.removeprefix("mixed_"), 11 if scaled else 8
    assert f"Most nodes compute in {dtype} here" in plain
    assert f"2^−{unit} stands in place of 2^−24" in plain
