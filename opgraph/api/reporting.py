"""The report of a run: one page that holds the whole training.

Owns putting the run's record and its graph together; what the page shows is `render`'s to know.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opgraph.api.run import Run

SUFFIXES = (".html", ".htm")
NOTEBOOK_HEIGHT = 760
STORY = "story.html"  # an explained step; the report links to one that lies beside it


@dataclass(frozen=True)
class RunReport:
    """The page of a run; shows itself in notebooks.

    Attributes:
        html: the whole page.
    """

    html: str

    def write(self, path: str | Path) -> None:
        """Write it to a `.html` file.

        Raises:
            RunError: the suffix is another one, or the file cannot be written.
        """
        from opgraph.errors import RunError
        from opgraph.files import write_text

        check_target(path)
        write_text(Path(path), self.html, RunError)

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{escape(self.html)}" title="opgraph"'
            f' style="width:100%;height:{NOTEBOOK_HEIGHT}px;border:0"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<opgraph.RunReport: {len(self.html) / 1e6:.1f} MB>"


def run_card(run: Run) -> str:
    """A run in a few words and the picture of its graph, for notebooks."""
    config = run.config
    test = config["outcome"].get("test") or {}
    figures = [f"test {name} {test[name]:.4g}" for name in ("accuracy", "loss") if test.get(name)]
    told = ", ".join([config["status"], f"{run.record.last_step:,} steps", *figures])
    picture = run.draw(title="", legend=False)
    return f"<p><b>{escape(run.path.name)}</b>: {escape(told)}</p>{picture}"


def check_target(path: str | Path) -> None:
    """Refuse a file that a report cannot be written to.

    Raises:
        RunError: its suffix is another one.
    """
    from opgraph.errors import RunError

    if Path(path).suffix.lower() not in SUFFIXES:
        raise RunError(
            f"expected a file that ends in .html, received {Path(path).name!r}", where=str(path)
        )


def check_language(lang: str) -> None:
    """Refuse a language that the page does not speak.

    Raises:
        RunError: there is no such language.
    """
    from opgraph.errors import RunError, suggest
    from opgraph.render.report import LANGUAGES

    if lang not in LANGUAGES:
        problem = f"expected one of {', '.join(LANGUAGES)}, received {lang!r}"
        raise RunError(problem, where="lang", hint=suggest(lang, LANGUAGES))


def make_report(run: Run, output: str | Path | None = None, *, lang: str = "en") -> RunReport:
    """The whole training as one HTML page that loads nothing and works offline.

    Args:
        run: the recorded training.
        output: a `.html` file to write, if any.
        lang: the language that the page opens in: `en` or `zh`; it holds both.

    Raises:
        RunError: no step is recorded, there is no such language, a part of the run is damaged, or
            the file cannot be written.
        MissingDependencyError: bokeh, whose charts it has, is not installed.
    """
    from opgraph.errors import RunError
    from opgraph.render.report import report_page

    if output is not None:
        check_target(output)
    check_language(lang)
    if not run.record.last_step:
        hint = "is the training under way?"
        raise RunError("no step is recorded yet", where=str(run.path), hint=hint)
    beside = None if output is None else Path(output).parent / STORY
    story = STORY if beside is not None and beside.is_file() else None
    found = RunReport(report_page(run.record, run.graph.analyze(), lang=lang, story=story))
    if output is not None:
        found.write(output)
    return found
