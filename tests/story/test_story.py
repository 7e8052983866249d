"""Explanations of real steps: their arithmetic is read out of the text and done again."""

import io
import random
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from arithmetic import work_out
from checking import WORDS, check_recorded, check_text

import opgraph
from opgraph.errors import RunError
from opgraph.story import PHASES

pytestmark = pytest.mark.tf

SAMPLES = Path(__file__).parents[2] / "sample_graphs"
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


class Element(NamedTuple):
    """What is asked for, and the name that its worked line must have."""

    node: str
    phase: str
    step: int
    index: tuple[int, ...] | None
    example: int
    name: str


def element_at_random(run, draw):
    """A random number of a random node, phase and step."""
    phase, step, example = draw.choice(PHASES), draw.randint(1, 4), draw.randrange(8)
    if phase == "loss":
        return Element("softmax_output", phase, step, None, example, f"loss[{example}]")
    tensors, weights = run.at(step), ("kernel", "bias", "gamma", "beta")
    trained = {n: [w for w in tensors.of(n) if w in weights] for n in run.graph.nodes}
    nodes = {
        "forward": [name for name in trained if name != "input_layer"],
        "moving": [name for name in trained if "gamma" in trained[name]],
    }.get(phase, [name for name in trained if trained[name]])
    node = draw.choice(nodes)
    if phase == "initial":  # the same in every step
        return Element(node, phase, 1, None, 0, f"{node}.params")
    what = "output" if phase in ("forward", "moving") else draw.choice(trained[node])
    shape = tensors.find(node, what).shape[what == "output" :]
    index = tuple(draw.randrange(size) for size in shape)
    place = ", ".join(map(str, (example, *index) if phase == "forward" else index))
    name = {
        "forward": f"{node}.output[{place}]",
        "backward": f"{node}.{what}.grad[{place}]",
        "update": f"{node}.{what}.after[{place}]",
        "moving": f"{node}.moving_variance.after[{index[-1]}]",
    }[phase]
    return Element(node, phase, step, index, example, name)


def explain_at_random(run, wanted, seed):
    """Explain so many different numbers, in both languages by turns, and check what is printed."""
    draw, seen = random.Random(seed), {}
    while len(seen) < wanted:
        one = element_at_random(run, draw)
        if (one.phase, one.step, one.name) in seen:
            continue
        lang = ("en", "zh")[len(seen) % 2]
        index = None if one.index is None else ",".join(map(str, one.index))
        found = run.explain(
            one.step, node=one.node, phase=one.phase, index=index, example=one.example, lang=lang
        )
        assert found.story.defects == [], one
        lines = check_text(found.text(), WORDS[lang])
        named = [line for line in lines if line.name == one.name]
        assert len(named) == 1, (one, [line.name for line in lines])
        line = named[0]
        assert any(work_out(text) is not None for text in line.formulas[:-1]), line
        if one.phase not in ("loss", "initial"):
            assert check_recorded(run.at(one.step), [line]) == 1, line
        seen[one.phase, one.step, one.name] = one
    return Counter(phase for phase, _, _ in seen)


def test_forty_random_elements_are_explained_rightly(run):
    counts = explain_at_random(run, 40, seed=1)
    assert counts.total() == 40
    assert set(counts) == set(PHASES)


@pytest.mark.slow
def test_two_hundred_random_elements_are_explained_rightly(run):
    counts = explain_at_random(run, 200, seed=2)
    assert counts.total() == 200
    assert set(counts) == set(PHASES)


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


def test_formulas_on_an_ascii_console_can_be_worked_out(run, monkeypatch):
    from opgraph.cli import main

    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert main(["explain", str(run.path), "--step", "2", "--node", "conv2d_2"]) == 0
    sys.stdout.flush()
    lines = check_text(raw.getvalue().decode("ascii"), "recorded", "(+- ")
    values = [[work_out(text) for text in line.formulas[:-1]] for line in lines]
    assert sum(any(value is not None for value in row) for row in values) >= 10


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
