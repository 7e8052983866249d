"""Scales of colour: even, the same for all eyes, and text on them that can be read."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opgraph.render.heat import heat_colour, heat_ink
from opgraph.render.heat_legend import tick_labels
from opgraph.render.scale import LEVELS, Scale, scale_for
from opgraph.render.scene import Text
from opgraph.render.theme import THEMES, Theme

SPECIAL = ("none", "zero", "nan")
every_theme = pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)


def brightness(colour: str) -> float:
    """Relative luminance (WCAG 2.1), by itself."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@every_theme
def test_text_can_be_read_on_every_level(theme: Theme) -> None:
    for level in [*SPECIAL, *(f"{ramp}{n}" for ramp in "ms" for n in range(LEVELS))]:
        pair = (brightness(heat_colour(theme, level)), brightness(heat_ink(theme, level)))
        dark, light = sorted(pair)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, level


def test_the_scale_of_magnitudes_is_the_cividis_of_matplotlib() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    ramp = matplotlib.colormaps["cividis"]
    for number in range(LEVELS):
        colour = heat_colour(THEMES["light"], f"m{number}")
        ours = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        theirs = [255 * channel for channel in ramp(number / (LEVELS - 1))[:3]]
        assert ours == pytest.approx(theirs, abs=1), number


@every_theme
def test_magnitudes_go_evenly_one_way_in_brightness(theme: Theme) -> None:
    steps = [brightness(heat_colour(theme, f"m{n}")) for n in range(LEVELS)]
    assert steps in (sorted(steps), sorted(steps, reverse=True))
    assert len(set(steps)) == LEVELS


@every_theme
def test_what_is_special_looks_like_no_level(theme: Theme) -> None:
    levels = {heat_colour(theme, f"{ramp}{n}") for ramp in "m" for n in range(LEVELS)}
    assert not levels & {heat_colour(theme, name) for name in SPECIAL}


def test_two_sided_colours_are_white_in_the_middle() -> None:
    assert heat_colour(THEMES["light"], "s16") == "#FFFFFF"
    assert heat_colour(THEMES["light"], "s0") == "#0072B2"
    assert heat_colour(THEMES["light"], "s32") == "#D55E00"


def test_print_has_no_colour() -> None:
    for level in [*SPECIAL, *(f"{ramp}{n}" for ramp in "ms" for n in range(LEVELS))]:
        colour = heat_colour(THEMES["print"], level)
        assert colour[1:3] == colour[3:5] == colour[5:7]


@pytest.mark.parametrize(
    ("numbers", "wanted", "scale"),
    [
        ([2.0, 100.0], None, Scale(2.0, 100.0, "m", log=False)),
        ([1.0, 101.0], None, Scale(1.0, 101.0, "m", log=True)),
        ([0.0, 1.0, 500.0], None, Scale(1.0, 500.0, "m", log=True)),
        ([-10.0, 500.0], None, Scale(-500.0, 500.0, "s", log=False)),
        ([-1.0, 0.0, 500.0], None, Scale(-500.0, 500.0, "s", log=True, floor=1.0)),
        ([-1e-9, 500.0], None, Scale(-500.0, 500.0, "s", log=True, floor=0.05)),
        ([5.0, float("nan"), None], None, Scale(5.0, 5.0, "m", log=False)),
        ([float("inf"), None], None, None),
    ],
)
def test_which_scale_suits_which_numbers(numbers: list[float], wanted: float, scale: Scale) -> None:
    assert scale_for(numbers, wanted) == scale


def test_a_wanted_value_is_in_the_middle_of_its_scale() -> None:
    scale = scale_for([2e-4, 0.1], 1e-3)
    assert scale is not None
    assert scale.level(1e-3) == "s16"
    assert scale.level(0.1) == "s32"
    assert scale.level(1e-5) == "s0"


def test_small_numbers_of_both_signs_are_neither_zero_nor_each_other() -> None:
    scale = scale_for([-1e-6, 1e-5, 0.0, 0.1])
    assert scale is not None
    found = [scale.level(number) for number in (-0.1, -1e-6, 0.0, 1e-6, 1e-3, 0.1)]
    assert found[:1] + found[2:3] + found[-1:] == ["s0", "s16", "s32"]
    assert found[1] == "s15"
    assert found[3] == "s17"
    assert found == sorted(found, key=lambda level: int(level[1:]))


finite = st.floats(min_value=-1e12, max_value=1e12).map(lambda x: 0.0 if abs(x) < 1e-12 else x)


@given(st.lists(finite, min_size=1), st.sampled_from([None, 1e-3]))
def test_any_numbers_get_levels_and_ticks_that_do_not_touch(
    numbers: list[float], wanted: float | None
) -> None:
    scale = scale_for(numbers, wanted)
    assert scale is not None
    for number in numbers:
        found = scale.level(number)
        assert found == "zero" or 0 <= int(found[1:]) < LEVELS
    assert all(scale.low <= tick * (1 + 1e-9) + 1e-30 or scale.low < 0 for tick in scale.ticks())
    labels = sorted(
        (t for t in tick_labels(scale, "") if isinstance(t, Text)), key=lambda text: text.x
    )
    assert labels
    assert all(a.x + a.width < b.x for a, b in pairwise(labels))
