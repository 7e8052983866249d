"""What is measured when: presets, changes to them, and what is said about mistakes."""

from __future__ import annotations

import pytest

from opgraph.errors import TraceError
from opgraph.record import PRESETS, Measure, Schedule, measure_from, parse_measure, quantities


def test_presets_grow() -> None:
    sizes = [len(parse_measure(name).schedules) for name in ("off", "norms", "default", "full")]
    assert sizes[0] == 0 < sizes[1] < sizes[2] <= sizes[3]
    default, full = parse_measure("default"), parse_measure("full")
    assert all(full.schedules[n].every <= w.every for n, w in default.schedules.items())


def test_full_is_every_scalar_at_every_step() -> None:
    full = parse_measure("full")
    for kind in ("output", "output_grad", "weight", "slot", "bn", "dropout"):
        for quantity in quantities(kind):
            every = full.schedules[quantity.full_name].every
            assert (every == 1) == (not quantity.vector), quantity.full_name


def test_norms_are_sums_of_squares_only() -> None:
    norms = parse_measure("norms")
    needed = {m for kind in ("output", "output_grad", "weight") for q in norms.quantities(kind)
              for m in q.moments}  # fmt: skip
    assert needed == {"sumsq", "value_sumsq", "grad_sumsq", "update_sumsq"}


def test_later_words_win() -> None:
    found = parse_measure(["norms", "output.*:every=10,first=3", "output.max:off"])
    assert found.schedules["output.mean"] == Schedule(10, 3)
    assert "output.max" not in found.schedules
    assert found.schedules["weight.update_ratio"].every == 1


def test_only_the_first_steps() -> None:
    found = parse_measure(["off", "bn.batch_mean:first=2"])
    assert [step for step in range(1, 300) if found.is_whole(step)] == [1, 2]


def test_steps_that_measure_more() -> None:
    found = parse_measure("full")
    whole = [step for step in range(1, 101) if found.is_whole(step)]
    assert whole == [1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert not parse_measure("norms").has_more


@pytest.mark.parametrize(
    ("globs", "names", "covered"),
    [
        (None, ("conv2d_1",), True),
        ("conv*", ("conv2d_1",), True),
        ("conv*", ("relu_1",), False),
        ("*/kernel", ("fc", "fc/kernel"), True),
        ("*/kernel", ("fc", "fc/bias"), False),
        ("conv*, relu_1", ("relu_1",), True),
    ],
)
def test_sites_are_chosen_by_node_and_weight(
    globs: str | None, names: tuple[str, ...], covered: bool
) -> None:
    assert parse_measure("full", globs).covers(*names) == covered


@pytest.mark.parametrize("name", PRESETS)
def test_as_plain_data_and_back(name: str) -> None:
    found = parse_measure([name, "*.histogram:every=7"], "conv*")
    again = measure_from(found.as_dict())
    assert isinstance(again, Measure)
    assert again == found


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "ful",
            "measure: expected one of off, norms, default, full, received 'ful'\n"
            "   did you mean 'full'?",
        ),
        (["off", "full"], "measure: several presets: off, full"),
        ("output.max", "measure: 'output.max' says no schedule\n   write output.max:every=10"),
        (
            "output.maxx:every=2",
            "measure: no quantity matches 'output.maxx'\n   did you mean 'output.max'?",
        ),
        (
            "output.max:often",
            "measure: cannot read 'often' in 'output.max:often'\n"
            "   a schedule is every=N, first=N or off",
        ),
        (
            "output.max:every=0",
            "measure: every=0 in 'output.max:every=0'\n   off measures never",
        ),
        (":every=2", "measure: cannot read ':every=2'\n   write output.max:every=10,first=5"),
    ],
)
def test_mistakes_are_told(words: str | list[str], message: str) -> None:
    with pytest.raises(TraceError) as caught:
        parse_measure(words)
    assert str(caught.value) == message
