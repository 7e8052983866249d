"""Explanations of real steps: their arithmetic is read out of the text and done again."""

import random
from pathlib import Path

import numpy as np
import pytest
from arithmetic import last_place, number, read_lines, work_out

import opgraph
from opgraph.errors import RunError
from opgraph.record import TensorName

pytestmark = pytest.mark.tf

SAMPLES = Path(__file__).parents[2] / "sample_graphs"
WORDS = {"en": "recorded", "zh": "记录值"}
OTHERS = (
    "residual",
    "squeeze_excite",
    "depthwise_separable",
    "lstm_classifier",
    "transformer_encoder",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("story") / "run"
    return opgraph.trace(SAMPLES / "cnn.txt", "digits", output=path, steps=4, batch_size=8)


def check_text(text, word):
    """Work every formula out again; how many lines had one."""
    lines = read_lines(text, word)
    for line in lines:
        result = line.formulas[-1]
        for formula in line.formulas[:-1]:
            again = work_out(formula)
            if again is not None:
                assert abs(again - number(result)) <= last_place(result) * 1.001, (line, again)
    return lines


def largest_of(tensors, name):
    """The largest number of the tensor that an element belongs to."""
    known = {str(key): array for key, array in tensors.arrays.items()}
    return float(np.abs(known[name.partition("[")[0]].astype(float)).max()) + 1e-6


def tensor_of(tensors, name):
    """The recorded number that an element's name stands for; None for names on the way."""
    full, _, place = name.partition("[")
    known = {str(key): key for key in tensors.arrays}
    array = tensors.arrays.get(known[full]) if full in known else None
    if array is None:
        return None
    at = tuple(int(word) for word in place.rstrip("]").split(", ")) if place else ()
    return float(array[at]) if len(at) == array.ndim else None


def check_recorded(tensors, lines):
    """What is called recorded is what was recorded, and the printed result is near it."""
    seen = 0
    for line in lines:
        truth = tensor_of(tensors, line.name)
        if truth is None or line.recorded is None:
            continue
        seen += 1
        assert np.isclose(line.recorded, truth, rtol=1e-8, atol=0), line
        allowed = line.allowed + last_place(line.formulas[-1])
        assert abs(number(line.formulas[-1]) - truth) <= allowed, line
        if not line.name.split("[")[0].endswith("bias.grad"):  # rounding only, before a BN
            assert line.allowed <= 5e-3 * largest_of(tensors, line.name), line
    return seen


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_all_six_phases_agree_in_both_languages(run, lang):
    found = run.explain(2, lang=lang)
    assert [phase.name for phase in found.story.phases] == [
        "initial", "forward", "loss", "backward", "update", "moving",
    ]  # fmt: skip
    assert found.story.defects == []
    assert all(phase.blocks for phase in found.story.phases)
    tensors = run.at(2)
    lines = check_text(found.text(), WORDS[lang])
    assert check_recorded(tensors, lines) > 50
    assert check_text(found.text(120), WORDS[lang])


def test_random_elements_are_explained_rightly(run):
    """Forty of the two hundred; the others are slow."""
    assert explain_at_random(run, 40, seed=1) >= 40


def explain_at_random(run, wanted, seed):
    """Explain random elements of random nodes at random steps; how many numbers were compared."""
    draw, seen = random.Random(seed), 0
    nodes = list(run.graph.nodes)
    while seen < wanted:
        step, node, lang = draw.randint(1, 4), draw.choice(nodes), draw.choice(["en", "zh"])
        tensors = run.at(step)
        whats = [w for w in tensors.of(node) if w in ("output", "kernel", "bias", "gamma", "beta")]
        array = tensors.find(node, draw.choice(whats))
        shape = (
            array.shape[1:] if array is tensors.arrays[TensorName(node, "output")] else array.shape
        )
        index = ",".join(str(draw.randrange(size)) for size in shape)
        example = draw.randrange(len(tensors.labels[0]))
        found = run.explain(step, node=node, index=index, example=example, lang=lang)
        assert found.story.defects == [], (step, node, index, example)
        seen += check_recorded(tensors, check_text(found.text(), WORDS[lang]))
    return seen


@pytest.mark.slow
def test_two_hundred_random_elements(run):
    assert explain_at_random(run, 200, seed=2) >= 200


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_other_networks_agree(name, tmp_path):
    run = opgraph.trace(
        SAMPLES / f"{name}.txt", "digits", output=tmp_path / "r", steps=3, batch_size=8
    )
    for step in (1, 3):
        found = run.explain(step)
        assert found.story.defects == []
        assert check_recorded(run.at(step), check_text(found.text(), "recorded")) > 10


def test_a_planted_error_is_reported(run, monkeypatch):
    from opgraph.story import view

    real = view.compute

    def wrong(given):
        found = real(given)
        outputs = tuple(output + 0.01 for output in found.outputs)
        return type(found)(outputs, found.pull, found.parts, found.moved)

    monkeypatch.setattr(view, "compute", wrong)
    found = run.explain(2, node="logits", phase="forward")
    assert [name for _, _, name, _ in found.story.defects]
    assert "DISAGREE" in found.text()
    assert "✗ DISAGREES" in found.text()


def test_the_right_element_is_worked_out(run):
    found = run.explain(1, node="conv2d_1", index="3,4,7", example=2, phase="forward")
    assert "conv2d_1.output[2, 3, 4, 7]\n" in found.text()
    weight = run.explain(1, node="conv2d_1", index="1,1,0,5", phase="update")
    assert "conv2d_1.kernel.after[1, 1, 0, 5]\n" in weight.text()


def test_the_data_and_markdown_say_the_same(run, tmp_path):
    found = run.explain(2, node="logits")
    assert found.as_dict()["checks"] == {"agrees": found.story.count("agrees")}
    assert found.markdown().count("✓") == found.story.count("agrees")
    assert found._repr_markdown_() == found.markdown()
    found.write(tmp_path / "story.md")
    assert (tmp_path / "story.md").read_text(encoding="utf-8") == found.markdown()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"node": "conv"}, "node: no node is called 'conv'"),
        ({"phase": "forwards"}, "phase: expected one of initial, forward, loss, backward, update,"
                                " moving, received 'forwards'"),
        ({"step": 9}, "expected a step from 1 to 4, received 9"),
        ({"lang": "de"}, "lang: expected one of en, zh, received 'de'"),
        ({"index": "1,2"}, "index: an index belongs to a node"),
        ({"node": "logits", "index": "a"}, "index: expected numbers such as 3,4,7, received 'a'"),
        ({"node": "logits", "index": "99"}, "index: no tensor of 'logits' has an element [99]"),
        ({"example": 8}, "example: the batch has examples 0 to 7, received 8"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(run, options, message):
    with pytest.raises(RunError) as caught:
        run.explain(**options)
    assert message in caught.value.headline or message in str(caught.value)


def test_a_file_of_another_kind_is_refused(run, tmp_path):
    with pytest.raises(RunError, match="expected a file that ends in"):
        run.explain(2, node="logits").write(tmp_path / "story.pdf")


def test_the_command_prints_and_writes(run, tmp_path, capsys):
    from opgraph.cli import main

    words = ["explain", str(run.path), "--step", "2", "--node", "softmax_output"]
    assert main(words) == 0
    assert "Training step 2, with its own numbers" in capsys.readouterr().out
    assert main([*words, "--lang", "zh", "-o", str(tmp_path / "story.md")]) == 0
    assert "# 第 2 步训练" in (tmp_path / "story.md").read_text(encoding="utf-8")
    assert main(["explain", str(run.path), "--node", "softmax"]) == 2
    assert capsys.readouterr().err.endswith(
        "error: node: no node is called 'softmax'\n   did you mean 'softmax_output'?\n"
    )
