"""The pictures of the graph in the page: all nodes, and folded where that makes it smaller.

Owns how a picture takes its colours from the page, so that it follows light and dark.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from opgraph.analysis import Analysis, fold
from opgraph.ops import Category
from opgraph.render.draw import draw_scene
from opgraph.render.svg import write_svg
from opgraph.render.theme import CATEGORIES, Theme

MOST_BOXES = 3000


class _PageTheme(Theme):
    """Colours that are looked up in the page: the properties that `page.style` names."""

    @property
    def error_fill(self) -> str:
        return "var(--error-fill)"

    def fill(self, category: Category) -> str:
        return f"var(--fill-{category})"


def page_theme() -> Theme:
    """The theme whose colours are those of the page around the picture.

    >>> page_theme().fill("dense"), page_theme().text
    ('var(--fill-dense)', 'var(--text)')
    """
    roles = ("background", "surface", "border", "text", "muted", "edge", "error")
    return _PageTheme(
        name="light",
        **{role: f"var(--{role})" for role in roles},
        error_text="var(--error-text)",
        tint=0.0,
        is_hatched=False,
        categories={category: f"var(--bar-{category})" for category in CATEGORIES},
    )


@dataclass(frozen=True)
class Pictures:
    """The graph, drawn for a page.

    Attributes:
        analysis: the graph and its facts.
    """

    analysis: Analysis

    @cached_property
    def folds(self) -> dict[str, tuple[str, ...]]:
        """The boxes of the folded picture that stand for several nodes."""
        folded = fold(self.analysis, "auto")
        return {name: facts.fold.nodes for name, facts in folded.folds.items()}

    @cached_property
    def boxes(self) -> dict[str, list[tuple[str, ...]]]:
        """For each picture and box, in the order of their numbers, the nodes it stands for."""
        whole = {"whole": [(name,) for name in self.analysis.graph.nodes]}
        if not self.folds:
            return whole
        names = fold(self.analysis, "auto").view.graph.nodes
        folded = {"folded": [self.folds.get(name, (name,)) for name in names]}
        return folded if len(whole["whole"]) > MOST_BOXES else {**folded, **whole}

    def svg(self, which: str) -> str:
        """One of the pictures as an SVG element."""
        how = "auto" if which == "folded" else "none"
        scene = draw_scene(self.analysis, title="", legend=False, foot=False, fold=how)
        return write_svg(scene, page_theme())
