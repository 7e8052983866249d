"""Following one number of a run through its steps.

Owns which steps are computed again, and what is written where; what is told is `story`'s to know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opgraph.errors import RunError, suggest

if TYPE_CHECKING:
    import pyarrow as pa

    from opgraph.api.hindsight import OnStep
    from opgraph.api.run import Run
    from opgraph.render.curves import Series
    from opgraph.story import Element, Life, Story

SECONDS = 60.0  # steps are left out unasked where all would take longer
NAMES = {"value": "column.value", "gradient": "column.grad", "change": "column.change"}
OUTPUT_DOCS = {"gradient": "page.curve_gradient", "change": "page.curve_distance"}
WEIGHT_DOCS = {name: f"page.curve_{name}"
               for name in ("value", "gradient", "momentum", "velocity", "change")}  # fmt: skip
TEXTS, CURVES, PICTURES = (
    (".txt", ".md", ".html", ".csv"),
    (".svg", ".png", ".pdf"),
    (".svg", ".png"),
)


@dataclass(frozen=True, eq=False)
class Following:
    """The life of one number; shows itself in notebooks.

    Attributes:
        life: what became of it in each step, and the step in which it changed most.
        lang: `en` or `zh`.
    """

    life: Life
    lang: str = "en"

    @property
    def story(self) -> Story:
        """What is told of it."""
        from opgraph.story import tell_life

        return tell_life(self.life)

    def text(self, width: int = 80) -> str:
        """As terminal text."""
        from opgraph.render.story import to_text
        from opgraph.story import read_catalogue

        return to_text(self.story, read_catalogue(self.lang), width)

    def markdown(self) -> str:
        """As Markdown."""
        from opgraph.render.story import to_markdown
        from opgraph.story import read_catalogue

        return to_markdown(self.story, read_catalogue(self.lang))

    def html(self) -> str:
        """As a self-contained page: its curves, what an output sees of the image, and the story.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        from dataclasses import replace

        from opgraph.api.story_page import curves, story_page
        from opgraph.story import seen_pictures

        element, story = self.life.element, self.story
        if element.weight is None:
            seen = seen_pictures(self.life)
            titles = [picture.title for picture in seen]
            said = [item for item in story.opening if item not in titles]
            story = replace(story, opening=(*said, *seen))
        drawn = curves(self.series(), str(element))
        return story_page(story, self.lang, self.life.most.analysis, element.node, [drawn])

    def columns(self) -> dict[str, list[Any]]:
        """Each step's numbers, by name; None where there is none."""
        moments = self.life.moments
        found: dict[str, list[Any]] = {name: [getattr(moment, name) for moment in moments]
                                       for name in ("step", "value", "gradient")}  # fmt: skip
        found |= {slot: [moment.slots.get(slot) for moment in moments] for slot in self.life.slots}
        found["change"] = [moment.change for moment in moments]
        if self.life.element.weight is None:
            found["number"] = [moment.number for moment in moments]
        return found

    def table(self) -> pa.Table:
        """The same as an Arrow table: step, value, gradient, the optimizer's slots, change."""
        import pyarrow as pa

        return pa.table(self.columns())

    def as_dict(self) -> dict[str, Any]:
        """As plain data: the element, its columns, and the story."""
        from opgraph.render.story import story_data
        from opgraph.story import read_catalogue

        element = self.life.element
        return {
            "element": str(element),
            "node": element.node,
            "weight": element.weight,
            "index": list(element.at),
            "most": self.life.peak.step,
            "steps": {name: list(map(_plain, col)) for name, col in self.columns().items()},
            "story": story_data(self.story, read_catalogue(self.lang)),
        }

    def series(self) -> list[list[Series]]:
        """Value, gradient, slots and change over the steps, as curves are drawn from."""
        from opgraph.render.curves import own_series
        from opgraph.story import read_catalogue

        words, columns = read_catalogue(self.lang).sentences, self.columns()
        docs = OUTPUT_DOCS if self.life.element.weight is None else WEIGHT_DOCS
        return [
            [
                own_series(
                    words.get(NAMES.get(name, ""), name),
                    words.get(docs.get(name, ""), ""),
                    columns["step"],
                    column,
                )
            ]
            for name, column in columns.items()
            if name not in ("step", "number") and any(x is not None for x in column)
        ]

    def write(self, path: str | Path) -> None:
        """Write it, by the suffix: `.txt`, `.md`, `.html`, `.csv`, or a picture.

        The picture of a weight (`.svg`, `.png`, `.pdf`) has its curves; that of an output (`.svg`,
        `.png`) the input image with the part that it sees.

        Raises:
            RunError: the suffix is another one, there is no image, or it cannot be written.
            MissingDependencyError: matplotlib is not installed.
        """
        from opgraph.files import write_text

        is_output, target = self.life.element.weight is None, Path(path)
        check_target(target, is_output)
        match target.suffix.lower():
            case ".txt":
                write_text(target, self.text(), RunError)
            case ".md":
                write_text(target, self.markdown(), RunError)
            case ".html":
                write_text(target, self.html(), RunError)
            case ".csv":
                self._write_csv(target)
            case _ if is_output:
                self._draw_sight(target)
            case _:
                self._draw_curves(target)

    def _write_csv(self, target: Path) -> None:
        from opgraph.formats.recorded import write_csv

        table = self.table()
        write_csv(target, table, table.column_names)

    def _draw_curves(self, target: Path) -> None:
        from opgraph.render.curves import CurveOptions, render_curves

        render_curves(self.series(), target, CurveOptions(title=str(self.life.element)))

    def _draw_sight(self, target: Path) -> None:
        from opgraph.files import write_bytes, write_text
        from opgraph.render import mark_window
        from opgraph.story import read_catalogue, seen_pictures

        pictures = seen_pictures(self.life)
        if not pictures:
            raise RunError("no image is made from: the inputs have no height and width",
                           where=str(self.life.element))  # fmt: skip
        tiles = mark_window(pictures[0].array, pictures[0].window)
        title = f"{self.life.element}: {read_catalogue(self.lang).text(pictures[0].title)}"
        if target.suffix.lower() == ".png":
            write_bytes(target, tiles.png(), RunError)
        else:
            write_text(target, tiles.svg(title), RunError)

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<opgraph.Following of {self.life.element}: {len(self.life.moments)} steps>"


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: words stand for them."""
    import math

    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def check_target(path: str | Path, is_output: bool) -> None:
    """Refuse a file that a life cannot be written to.

    Raises:
        RunError: its suffix is another one.
    """
    known = (*(PICTURES if is_output else CURVES), *TEXTS)
    suffix = Path(path).suffix.lower()
    if suffix not in known:
        raise RunError(
            f"expected a file that ends in {', '.join(known)}, received {Path(path).name!r}",
            where=str(path),
            hint=suggest(suffix, known),
        )


def check_request(run: Run, element: str | None, output: str | None, lang: str) -> Element:
    """Refuse what cannot be meant, before anything heavy is loaded; the element that is meant.

    Raises:
        RunError: there is no such element or language, or not exactly one is named.
    """
    from opgraph.story import read_catalogue, read_element

    read_catalogue(lang)
    if (element is None) == (output is None):
        raise RunError(
            "say either a weight's element, such as 'conv2d_1/kernel[1,1,0,5]', or an output's",
            where=str(run.path),
        )
    signature = run.record.info.batch_signature
    batch = signature[0][0]["shape"][0] if signature else None
    text, is_output = (output, True) if element is None else (element, False)
    return read_element(run.graph.analyze(), str(text), is_output=is_output, batch=batch)


def choose_steps(
    run: Run, steps: int | range | Sequence[int] | None, tell: Callable[[str], object]
) -> tuple[int, ...]:
    """The steps that are computed again; tells about how long it will take.

    All, or where that would take long as many of the last as can be had in a minute.

    Raises:
        RunError: the run has none of the steps.
    """
    from opgraph.record.expression import cost, make_query

    record = run.record
    wanted = make_query(record, "loss", None, steps).steps
    forecast = cost(record, wanted)
    if steps is None and forecast.seconds > SECONDS:
        few = max(1, int(len(wanted) * SECONDS / forecast.seconds))
        tell(
            f"all {len(wanted):,} steps would take about {forecast.seconds:,.0f} s:"
            f" the last {few:,} are followed; choose with --steps"
        )
        wanted = wanted[-few:]
        forecast = cost(record, wanted)
    tell(f"{forecast.text(len(wanted))} beyond starting TensorFlow and building the network")
    return wanted


def follow(
    run: Run,
    element: str | None = None,
    *,
    output: str | None = None,
    steps: int | range | Sequence[int] | None = None,
    lang: str = "en",
    unverified: bool = False,
    notify: Callable[[str], object] | None = None,
    on_step: OnStep | None = None,
) -> Following:
    """The life of one number; see `Run.follow`.

    Raises:
        RunError: something that is asked for does not exist, or steps cannot be had again.
    """
    from opgraph.api.explaining import run_facts
    from opgraph.api.hindsight import counted
    from opgraph.story import live

    meant = check_request(run, element, output, lang)
    wanted = choose_steps(run, steps, notify or (lambda _: None))
    walk = run.replay(unverified=unverified, notify=notify).walk(wanted)
    tensors = counted(walk, len(wanted), on_step)
    return Following(live(tensors, run.graph.analyze(), run_facts(run), meant), lang)
