"""The style that all pages share: the colours of `theme` as custom properties, and `page.css`.

Owns which property holds which colour; has no colours of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from opgraph.ops import Category
from opgraph.render.theme import FONT_FAMILY, THEMES, Theme, ThemeName

# The category whose colour can be read as that of a link.
LINKS: Mapping[ThemeName, Category] = {
    "light": "convolution",
    "dark": "merge",
    "print": "convolution",
}
FONTS = f"system-ui,-apple-system,'Segoe UI',Roboto,{FONT_FAMILY}"
MATH = "'Cambria Math','STIX Two Math','Latin Modern Math','DejaVu Math TeX Gyre',math,serif"
CODE = f"ui-monospace,'SF Mono',Consolas,'Liberation Mono',{FONT_FAMILY},monospace"


@cache
def base_style() -> str:
    """Colours of all themes, then the style of text, tables and folds; see `read_style`."""
    light, dark, ink = (_rule(tokens(THEMES[name])) for name in ("light", "dark", "print"))
    return (
        f":root{{color-scheme:light;--sans:{FONTS};--code:{CODE};--math:{MATH};{light}}}\n"
        "@media screen and (prefers-color-scheme:dark){:root:not([data-theme=light])"
        f"{{color-scheme:dark;{dark}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
        f"@media print{{:root{{color-scheme:light;{ink}}}}}\n"
        f"{read_style('page')}"
    )


def read_style(name: str) -> str:
    """A style sheet of `assets`."""
    return (files("opgraph.render") / "assets" / f"{name}.css").read_text(encoding="utf-8")


def tokens(theme: Theme) -> dict[str, str]:
    """The custom properties of a theme, by name.

    `--bar-CATEGORY` is the colour of a category of ops, `--fill-CATEGORY` the ground of its boxes.

    >>> found = tokens(THEMES["light"])
    >>> found["--text"], found["--bar-dense"], found["--fill-dense"]
    ('#0F172A', '#D55E00', '#FCF4ED')
    """
    return dict(_tokens(theme))


def _tokens(theme: Theme) -> Iterator[tuple[str, str]]:
    for role in ("background", "surface", "border", "text", "muted", "edge", "error"):
        yield f"--{role}", getattr(theme, role)
    yield "--error-text", theme.error_text
    yield "--error-fill", theme.error_fill
    yield "--link", theme.categories[LINKS[theme.name]]
    for category, colour in theme.categories.items():
        yield f"--bar-{category}", colour
        yield f"--fill-{category}", theme.fill(category)


def _rule(properties: Mapping[str, str]) -> str:
    return "".join(f"{name}:{value};" for name, value in properties.items())
