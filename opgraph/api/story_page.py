"""A story as a page, with the pictures that stand before its first phase.

Owns which pictures there are; how the page looks is `render`'s to know.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opgraph.analysis import Analysis
    from opgraph.render.curves import Series
    from opgraph.story import Story


def story_page(
    story: Story,
    lang: str,
    analysis: Analysis | None,
    mark: str | None,
    figures: Sequence[str] = (),
) -> str:
    """The page of a story.

    Args:
        story: what is told.
        lang: `en` or `zh`.
        analysis: of the network that is drawn; None draws none.
        mark: the node that is told, framed in the picture.
        figures: HTML that stands before the network.
    """
    from opgraph.render.story import folded, to_html
    from opgraph.story import read_catalogue

    catalogue = read_catalogue(lang)
    shown = list(figures)
    if analysis is not None:
        shown.append(folded(catalogue["page.network"], network(analysis, mark), "aside"))
    return to_html(story, catalogue, shown)


def network(analysis: Analysis, mark: str | None) -> str:
    """The picture of a network as HTML, in the colours of the page."""
    from opgraph.render import ThemeName, draw_svg
    from opgraph.render.page import themed

    def drawn(theme: ThemeName) -> str:
        return draw_svg(analysis, theme=theme, mark=mark, title="", legend=False, foot=False)

    return themed(drawn("light"), drawn("dark"))


def curves(panels: Sequence[Sequence[Series]], title: str) -> str:
    """Curves as HTML, in the colours of the page; nothing in them can act on it.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    from opgraph.render.curves import CurveOptions, CurveTheme, render_curves
    from opgraph.render.page import escape, themed

    def drawn(theme: CurveTheme) -> str:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "curves.svg"
            render_curves(panels, target, CurveOptions(theme=theme))
            content = base64.b64encode(target.read_bytes()).decode("ascii")
        return f'<img alt="{escape(title)}" src="data:image/svg+xml;base64,{content}"/>'

    return f"<figure>{themed(drawn('light'), drawn('dark'))}</figure>"
