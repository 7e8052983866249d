"""Numbers in boxes and colours by number: where they come from, what is written, what is said."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path as File
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from opgraph.analysis import Analysis, analyze
from opgraph.errors import OpgraphError, RunError
from opgraph.graph import Edge, Node, OpGraph
from opgraph.ops import require
from opgraph.record import Record, open_run
from opgraph.render import Notes, draw_scene, draw_svg, make_notes
from opgraph.render.notes import Annotation, Part
from opgraph.render.scene import Group, Item, Rect, Scene, Text
from opgraph.text import parse, read_source

SAMPLES = sorted((File(__file__).parents[2] / "sample_graphs").glob("*.*"))
ALL = "shape,attrs,params,flops,memory,weight_memory,receptive_field,depth"


def walk(item: Item | Scene) -> Iterator[Item]:
    for child in item.children if isinstance(item, Group | Scene) else ():
        yield child
        yield from walk(child)


def words(item: Item | Scene) -> list[str]:
    return [child.content for child in walk(item) if isinstance(child, Text)]


def boxes(scene: Scene) -> dict[str, Group]:
    groups = (item for item in walk(scene) if isinstance(item, Group) and item.kind == "node")
    return {group.data["node"]: group for group in groups}


def level(group: Group) -> str:
    rect = next(item for item in group.children if isinstance(item, Rect))
    return rect.kind.split()[1]


def row(group: Group, label: str) -> str | None:
    """What stands on the line of a label, at the right."""
    texts = [item for item in group.children if isinstance(item, Text)]
    found = [text for text in texts if text.content == label]
    beside = [t.content for t in texts if found and t.y == found[0].y and t is not found[0]]
    return beside[0] if beside else None


@pytest.fixture(scope="module")
def path(synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> File:
    return synthetic.write_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def record(path: File) -> Record:
    return open_run(path)


@pytest.fixture(scope="module")
def trained() -> Analysis:
    """A graph with the nodes of the synthetic run, and one that was not measured."""
    nodes = [
        Node("x", require("Input"), {"shape": (20, 4)}),
        Node("lstm", require("LSTM"), {"units": 3}),
        Node("norm", require("BatchNormalization"), {}),
        Node("fc", require("Dense"), {"units": 3}),
        Node("end", require("ReLU"), {}),
    ]
    names = [node.name for node in nodes]
    edges = [Edge(a, b, 0) for a, b in pairwise(names)]
    return analyze(OpGraph(nodes, edges, "trained"))


# Facts -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample() -> Analysis:
    return analyze(
        parse(read_source(File(__file__).parents[2] / "sample_graphs" / "cnn.txt"), "cnn")
    )


def test_facts_stand_in_the_boxes(sample: Analysis) -> None:
    notes = make_notes(sample, "flops,memory,receptive_field")
    conv = boxes(draw_scene(sample, notes=notes))["conv2d_1"]
    flops = 32 * 32 * 32 * (2 * 3 * 3 * 3 + 1)  # a multiplication and an addition, and the bias
    assert row(conv, "flops") == f"{flops / 1e6:.2f} MFLOP"
    assert row(conv, "memory") == f"{32 * 32 * 32 * 4 / 1e3:.0f} kB"
    assert row(conv, "receptive_field") == "3×3"
    assert "864 + 32" not in words(conv), "what is not asked for is not there"
    assert "3×3" not in words(conv)[:3]


def test_names_choose_what_a_box_shows_beside_its_name(sample: Analysis) -> None:
    usual = words(boxes(draw_scene(sample))["conv2d_1"])
    assert (
        words(boxes(draw_scene(sample, notes=make_notes(sample, "shape,attrs,params")))["conv2d_1"])
        == usual
    )
    only = words(boxes(draw_scene(sample, notes=make_notes(sample, "shape")))["conv2d_1"])
    assert only == ["conv2d_1", "Conv2D", "卷积层 1", "32×32×32"]


def test_colour_alone_leaves_the_usual_content(sample: Analysis) -> None:
    plain, coloured = (
        draw_scene(sample),
        draw_scene(sample, notes=make_notes(sample, color_by="flops")),
    )
    assert [words(g) for g in boxes(plain).values()] == [words(g) for g in boxes(coloured).values()]


def test_a_low_box_has_its_rows_too(sample: Analysis) -> None:
    relu = boxes(draw_scene(sample, notes=make_notes(sample, "shape,memory")))["relu_1"]
    assert row(relu, "memory") == "131 kB"
    assert len({text.y for text in relu.children if isinstance(text, Text)}) == 2


def test_rows_are_aligned_over_the_whole_picture(sample: Analysis) -> None:
    scene = draw_scene(sample, notes=make_notes(sample, "memory,depth"))
    groups = boxes(scene).values()
    texts = [[t for t in g.children if isinstance(t, Text)] for g in groups]
    lefts = {t.x for group in texts for t in group if t.content in ("memory", "depth")}
    rights = {
        round(v.x + v.width, 6)
        for group in texts
        for t in group
        for v in group
        if t.content in ("memory", "depth") and v.y == t.y and v is not t
    }
    assert len(lefts) == len(rights) == 1


def test_the_costliest_box_ends_the_scale_and_the_cheapest_begins_it(sample: Analysis) -> None:
    found = {
        n: level(g)
        for n, g in boxes(draw_scene(sample, notes=make_notes(sample, color_by="flops"))).items()
    }
    costs = {name: facts.flops for name, facts in sample.facts.items() if facts.flops}
    assert found[max(costs, key=lambda n: costs[n])] == "h-m32"
    assert found[min(costs, key=lambda n: costs[n])] == "h-m0"
    assert found["input_layer"] == "h-zero", "no operation is not the same as few"
    share = math.log(costs["conv2d_1"] / min(costs.values())) / math.log(
        max(costs.values()) / min(costs.values())
    )
    assert found["conv2d_1"] == f"h-m{round(32 * share)}"


def test_what_is_unknown_is_a_question_mark_and_without_colour(
    network: Callable[[str], Analysis],
) -> None:
    analysis = network(
        "x: Input(shape=(none, none, 3)) -> conv: Conv2D(filters=4)"
        " -> pool: GlobalAveragePooling2D() -> fc: Dense(units=2)"
    )
    scene = draw_scene(analysis, notes=make_notes(analysis, "flops", "flops"))
    assert row(boxes(scene)["conv"], "flops") == "?"
    assert level(boxes(scene)["conv"]) == "h-none"
    assert level(boxes(scene)["fc"]) != "h-none"
    assert "not measured" in words(scene)


def test_an_error_stays_red_in_a_coloured_picture(network: Callable[[str], Analysis]) -> None:
    analysis = network("misfit")
    found = boxes(draw_scene(analysis, notes=make_notes(analysis, color_by="depth")))
    assert level(found["add"]) == "c-error"
    assert level(found["relu"]) == "c-ghost"


def test_a_fold_shows_sums_and_extremes_and_says_so(sample: Analysis) -> None:
    notes = make_notes(sample, "flops,receptive_field,depth", "memory")
    scene = draw_scene(sample, notes=notes, fold=8)
    from opgraph.analysis import fold

    folds = fold(sample, 8).folds
    assert folds
    for name, facts in folds.items():
        inside = [sample[n] for n in facts.fold.nodes]
        total = sum(f.flops or 0 for f in inside)
        said = row(boxes(scene)[name], "flops")
        assert said is not None
        number, unit = said.split()
        factor = {"FLOP": 1, "kFLOP": 1e3, "MFLOP": 1e6}[unit]
        assert float(number) * factor == pytest.approx(total, rel=5e-3)
        assert row(boxes(scene)[name], "depth") == str(max(f.depth for f in inside))
    legend = " ".join(words(scene))
    assert "flops of a fold: the sum" in legend
    assert "receptive_field, depth of a fold: the largest" in legend
    assert "of a fold: the sum" in legend


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_the_same_bytes_and_rules_for_every_level_that_is_used(
    sample: Analysis, theme: Any
) -> None:
    notes = make_notes(sample, color_by="flops")
    svg = draw_svg(sample, theme=theme, notes=notes)
    assert svg == draw_svg(sample, theme=theme, notes=make_notes(sample, color_by="flops"))
    for kind in {level(g) for g in boxes(draw_scene(sample, notes=notes)).values()}:
        assert f".{kind}{{fill:" in svg
        assert f".{kind}~text{{fill:" in svg
    assert ".h-m32" not in draw_svg(sample, theme=theme), "a plain picture has no such rules"


# Runs --------------------------------------------------------------------------------------------


def figure(text: str | None) -> float:
    """A written number, read back."""
    assert text is not None
    plain = text.replace("−", "-")
    for prefix, factor in (("k", 1e3), ("M", 1e6)):
        if plain.endswith(prefix):
            return float(plain[:-1]) * factor
    return float(plain)


@pytest.mark.parametrize("step", [1, 8, 14])
def test_numbers_of_a_step_are_those_on_disk(
    trained: Analysis, record: Record, path: File, step: int
) -> None:
    notes = make_notes(trained, "grad_norm,output.rms,moving_mean", record=record, step=step)
    found = boxes(draw_scene(trained, notes=notes))
    frames = {kind: pd.read_parquet(path / kind) for kind in ("weight", "output", "bn")}
    now = {kind: frame[frame.step == step] for kind, frame in frames.items()}
    assert figure(row(found["fc"], "grad_norm kernel")) == pytest.approx(
        now["weight"].grad_norm.iloc[0], rel=6e-3
    )
    assert figure(row(found["norm"], "moving_mean")) == pytest.approx(
        now["bn"].moving_mean.iloc[0], rel=6e-3
    )
    for node, label in (("x", "output.rms"), ("lstm", "output.rms :1")):
        rms = now["output"].set_index("node").rms[node]
        assert figure(row(found[node], label)) == pytest.approx(rms, rel=6e-3)
    assert not any(word.startswith("output.rms") for word in words(found["end"]))
    exact = f"grad_norm kernel (step {step}): {float(now['weight'].grad_norm.iloc[0])!r}"
    assert exact in (found["fc"].title or "")


@pytest.mark.parametrize("reduce", ["mean", "max", "last"])
def test_numbers_of_all_steps_are_reduced(
    trained: Analysis, record: Record, path: File, reduce: Any
) -> None:
    notes = make_notes(trained, "value_rms", record=record, reduce=reduce)
    values = pd.read_parquet(path / "weight").sort_values("step").value_rms
    expected = {"mean": values.mean(), "max": values.max(), "last": values.iloc[-1]}[reduce]
    scene = draw_scene(trained, notes=notes)
    assert figure(row(boxes(scene)["fc"], "value_rms kernel")) == pytest.approx(expected, rel=6e-3)
    said = {
        "mean": "mean over steps 1 to 14",
        "max": "largest over steps 1 to 14",
        "last": "step 14",
    }
    assert any(said[reduce] in word for word in words(scene))


def test_colour_by_a_ratio_lies_around_its_wanted_value(
    trained: Analysis, record: Record, path: File
) -> None:
    ratio = pd.read_parquet(path / "weight").query("step == 3").update_ratio.iloc[0]
    notes = make_notes(trained, color_by="update_ratio", record=record, step=3)
    scene = draw_scene(trained, notes=notes)
    reach = max(10.0, ratio / 1e-3, 1e-3 / ratio)
    share = (math.log(ratio / 1e-3) / math.log(reach) + 1) / 2
    assert level(boxes(scene)["fc"]) == f"h-s{round(32 * share)}"
    assert level(boxes(scene)["x"]) == "h-none"
    assert "0.001" in words(scene)


def test_a_gradient_that_does_not_exist_is_said_to_be_not_connected(
    trained: Analysis, record: Record
) -> None:
    notes = make_notes(trained, "output_grad.norm", "output_grad.norm", record=record, step=2)
    found = boxes(draw_scene(trained, notes=notes))
    assert row(found["x"], "output_grad.norm") == "not connected"
    assert level(found["x"]) == "h-none"


def test_nan_has_a_colour_of_its_own(trained: Analysis, record: Record) -> None:
    notes = make_notes(trained, "output.min", "output.min", record=record, step=5)
    scene = draw_scene(trained, notes=notes)
    assert row(boxes(scene)["x"], "output.min") == "NaN"
    assert level(boxes(scene)["x"]) == "h-nan"
    assert "NaN or Inf" in words(scene)


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"annotate": "flosp"}, "nothing is called 'flosp'", "did you mean 'flops'?"),
        (
            {"annotate": "qqqq"},
            "nothing is called 'qqqq'",
            "there are: shape, attrs, params, flops",
        ),
        (
            {"color_by": "update_ration"},
            "nothing is called 'update_ration'",
            "did you mean 'update_ratio'?",
        ),
        (
            {"color_by": "grad_norm"},
            "grad_norm is measured in training",
            "name a recorded training: --run RUN",
        ),
        ({"color_by": "shape"}, "shape is not a number", "there are: params, flops"),
    ],
)
def test_names_that_are_none_of_a_graph(
    trained: Analysis, options: Any, message: str, hint: str
) -> None:
    with pytest.raises(OpgraphError) as error:
        make_notes(trained, **options)
    assert error.value.problem == message
    assert hint in (error.value.hint or "")


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"annotate": "grad_nrom"}, "nothing is called 'grad_nrom'", "did you mean 'grad_norm'?"),
        (
            {"annotate": "loss"},
            "loss is a number of the whole step, not of a node",
            "opgraph curves",
        ),
        ({"annotate": "rms"}, "'rms' can be output.rms or output_grad.rms or slot.rms", "in full"),
        ({"annotate": "grad_norm", "step": 99}, "expected a step from 1 to 14, received 99", ""),
    ],
)
def test_names_that_are_none_of_a_run(
    trained: Analysis, record: Record, options: Any, message: str, hint: str
) -> None:
    with pytest.raises(OpgraphError) as error:
        make_notes(trained, record=record, **options)
    assert error.value.problem == message
    assert hint in (error.value.hint or "")


def test_the_run_of_another_graph_is_refused(sample: Analysis, record: Record) -> None:
    with pytest.raises(RunError, match="only 0 of its 4 nodes are in the graph 'cnn'") as error:
        make_notes(sample, "grad_norm", record=record)
    assert "leave the graph out" in (error.value.hint or "")


# The picture as a whole --------------------------------------------------------------------------


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.name)
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_nothing_overlaps_with_notes_in_the_sample_graphs(
    audit: Any, file: File, direction: Any
) -> None:
    analysis = analyze(parse(read_source(file), file.stem))
    notes = make_notes(analysis, ALL, "memory")
    audit(draw_scene(analysis, direction=direction, notes=notes)).check()
    audit(draw_scene(analysis, direction=direction, notes=notes, fold=6)).check()


def test_nothing_overlaps_with_notes_in_networks(audit: Any, any_network: Analysis) -> None:
    audit(draw_scene(any_network, notes=make_notes(any_network, ALL, "depth"))).check()


@pytest.mark.parametrize("color_by", ["flops", "output.mean", "update_ratio", "output.min"])
def test_nothing_leaves_the_legend(
    trained: Analysis, record: Record, audit: Any, color_by: str
) -> None:
    notes = make_notes(
        trained, "grad_norm,bn.batch_mean,output.rms", color_by, record=record, step=5
    )
    scene = draw_scene(trained, notes=notes)
    audit(scene).check()
    for group in scene.children:
        if isinstance(group, Group) and group.kind is None:
            texts = sorted((t for t in group.children if isinstance(t, Text)), key=lambda t: t.x)
            assert all(t.x >= 0 and group.at.x + t.x + t.width <= scene.width for t in texts)
            assert all(a.x + a.width < b.x for a, b in pairwise(texts))


def test_a_sum_over_something_unknown_is_a_lower_bound() -> None:
    values = {"a": (Part("", 2000.0),), "b": (Part("", None, "?"),), "c": (Part("", 500.0),)}
    note = Annotation("flops", "FLOP", values, "sum")
    assert note.rows(["a", "b", "c"]) == [("flops", ">= 2.50 kFLOP")]
    assert note.rows(["a", "c"]) == [("flops", "2.50 kFLOP")]


@pytest.mark.parametrize(("joined", "number"), [("max", 2.0), ("min", -3.0), ("size", -3.0)])
def test_which_of_several_numbers_stands_for_all(joined: Any, number: float) -> None:
    values = {"a": (Part("kernel", 2.0), Part("bias", -3.0)), "b": (Part("", 1.0),)}
    note = Annotation("x", "", values, joined)
    assert note.number(["a"]) == number
    assert note.number(["a", "b"]) == number
    values["b"] = (Part("", math.nan),)
    assert math.isnan(note.number(["a", "b"]) or 0.0), "what is not a number is not hidden"


def test_of_more_than_four_numbers_one_is_shown() -> None:
    parts = tuple(Part(f"w{n}", float(n)) for n in range(8))
    assert Annotation("norm", "", {"a": parts}).rows(["a"]) == [("norm of 8", "7")]


def test_a_fold_says_nothing_twice(sample: Analysis) -> None:
    notes = make_notes(sample, "params,flops")
    for group in boxes(draw_scene(sample, notes=notes, fold=8)).values():
        assert sum("FLOP" in word for word in words(group)) <= 1


def test_a_long_legend_is_broken_into_lines(trained: Analysis, record: Record) -> None:
    names = "output.max,output_grad.max,value_max,grad_max,update_max,bn.moving_variance,depth"
    notes = make_notes(trained, names, record=record)
    scene = draw_scene(trained, notes=notes, fold=2)
    ends = [i.at.x + t.x + t.width for i in scene.children if isinstance(i, Group) and not i.kind
            for t in i.children if isinstance(t, Text)]  # fmt: skip
    assert any("of a fold" in word for word in words(scene))
    assert max(ends) <= scene.width


def test_no_notes_change_nothing(sample: Analysis) -> None:
    assert draw_svg(sample) == draw_svg(sample, notes=Notes())
