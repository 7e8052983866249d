"""Text can be read: a contrast of at least 4.5 to everything it stands on, in both themes."""

from __future__ import annotations

import pytest

from opgraph.render.theme import THEMES, TYPE, Theme

VISUALS = {
    "input": "#475569",
    "convolution": "#0072B2",
    "dense": "#D55E00",
    "normalization": "#E69F00",
    "activation": "#009E73",
    "pooling": "#7A5195",
    "shape": "#7A5195",
    "merge": "#56B4E9",
    "recurrent": "#CC79A7",
    "attention": "#CC79A7",
    "regularization": "#8A8F98",
}


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.1)."""
    linear = []
    for start in (1, 3, 5):
        c = int(colour[start : start + 2], 16) / 255
        linear.append(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_of_contrast_is_right() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
def test_text_has_contrast_on_every_ground(theme: Theme) -> None:
    grounds = [theme.background, theme.surface, *map(theme.fill, theme.categories)]
    for kind, (_, _, _, role) in TYPE.items():
        on = [theme.error_fill] if role == "error_text" else grounds
        for ground in on:
            assert contrast(theme.role(role), ground) >= 4.5, (kind, ground)


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
def test_lines_and_bars_can_be_told_from_the_ground(theme: Theme) -> None:
    assert contrast(theme.edge, theme.background) >= 3
    for category, colour in theme.categories.items():
        assert contrast(colour, theme.background) >= 2, category


def test_the_light_colours_are_the_ones_agreed_on() -> None:
    assert {k: THEMES["light"].categories[k] for k in VISUALS} == VISUALS  # type: ignore[index]
    assert THEMES["light"].error == "#B91C1C"


def test_the_error_colour_is_used_for_nothing_else() -> None:
    for theme in THEMES.values():
        others = [*theme.categories.values(), theme.edge, theme.border, theme.text, theme.muted]
        assert theme.error not in others
        assert theme.error_text not in others


def test_tints_are_six_to_eight_per_cent() -> None:
    assert all(0.06 <= theme.tint <= 0.08 for theme in THEMES.values())
