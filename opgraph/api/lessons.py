"""Making a lesson: a graph is trained for a few steps, or a run is taken, and told to a class.

Owns which steps are computed again and which files are written; what is taught is `story.lesson`'s
to know, how it looks `render.lesson`'s.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opgraph.errors import MissingDependencyError, RunError

if TYPE_CHECKING:
    from opgraph.api.run import Run
    from opgraph.ops import Shape
    from opgraph.runtime import Progress
    from opgraph.story.lesson import Lesson, LessonFacts, Question

STEPS = 40
SHEETS = (".csv", ".npz")


@dataclass(frozen=True, eq=False)
class LessonPage:
    """A lesson in a language, as a page with a worksheet.

    Attributes:
        lesson: what is taught.
        lang: `en` or `zh`.
        figures: HTML of the pictures on the page.
    """

    lesson: Lesson
    lang: str = "en"
    figures: tuple[str, ...] = field(default=(), repr=False)

    @property
    def questions(self) -> tuple[Question, ...]:
        """What is asked, each with what is given and the answer."""
        return self.lesson.questions

    def html(self, csv: str = "lesson.csv", npz: str = "lesson.npz") -> str:
        """As a self-contained page.

        Args:
            csv: what the page calls the file of given numbers.
            npz: what it calls the file of arrays.
        """
        from opgraph.render.lesson import Sheet, lesson_html
        from opgraph.story import read_catalogue

        return lesson_html(self.lesson, read_catalogue(self.lang), self.figures, Sheet(csv, npz))

    def write(self, path: str | Path, worksheet: str | Path | None = None) -> tuple[Path, ...]:
        """Write the page and its worksheet.

        Args:
            path: the page, `.html`.
            worksheet: a `.csv` or an `.npz`; the other one is written beside it. Beside the page,
                under its name, when left out.

        Returns:
            The files: page, given numbers, arrays.

        Raises:
            RunError: a suffix is another one, or a file cannot be written.
        """
        from opgraph.files import write_text
        from opgraph.formats import write_tensors
        from opgraph.story.lesson import arrays_of

        page, csv, npz = check_targets(path, worksheet)
        write_text(csv, self._csv(), RunError)
        write_tensors(npz, arrays_of(self.lesson))
        write_text(page, self.html(csv.name, npz.name), RunError)
        return page, csv, npz

    def _csv(self) -> str:
        import csv
        import io

        from opgraph.story.lesson import COLUMNS, rows_of

        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows_of(self.lesson))
        return text.getvalue()

    def __repr__(self) -> str:
        return f"<opgraph.LessonPage on {self.lesson.title!r}: {len(self.questions)} questions>"


def check_targets(path: str | Path, worksheet: str | Path | None) -> tuple[Path, Path, Path]:
    """The files that a lesson is written to: page, given numbers, arrays.

    Raises:
        RunError: a suffix is another one, or a file that is no worksheet is in the way.

    >>> [file.name for file in check_targets("a.html", None)]
    ['a.html', 'a.csv', 'a.npz']
    """
    page = Path(path)
    if page.suffix.lower() != ".html":
        raise RunError(
            f"a lesson is a page: expected a file that ends in .html, received {page.name!r}",
            where=str(path),
        )
    sheet = page.with_suffix(".csv") if worksheet is None else Path(worksheet)
    if sheet.suffix.lower() not in SHEETS:
        raise RunError(
            f"a worksheet is a .csv and an .npz of the same name, received {sheet.name!r}",
            where=str(worksheet),
        )
    files = sheet.with_suffix(".csv"), sheet.with_suffix(".npz")
    _check_replaced(*files)
    return page, *files


def _check_replaced(csv: Path, npz: Path) -> None:
    """Refuse to replace files that are no worksheet, such as the data that are trained on."""
    from opgraph.story.lesson import COLUMNS

    there = [str(file) for file in (csv, npz) if file.exists()]
    if not there:
        return
    try:
        with csv.open("rb") as file:
            head = file.readline(80)
    except OSError:
        head = b""
    if head.strip() != ",".join(COLUMNS).encode():
        raise RunError(
            "is there already and no worksheet, so it is not replaced",
            where=there[0],
            hint="give the worksheet another name (--worksheet), or remove the file",
        )


def lesson(
    graph: Any,
    data: Any = None,
    *,
    steps: int = STEPS,
    seed: int = 0,
    lang: str = "en",
    run_dir: str | Path | None = None,
    settings: Sequence[str] = (),
    input_shape: Shape | None = None,
    num_classes: int | None = None,
    unverified: bool = False,
    progress: Progress | None = None,
    notify: Callable[[str], object] | None = None,
    overwrite: bool = False,
) -> LessonPage:
    """A lesson on a graph for a class, with the numbers of a real, short training of it.

    Args:
        graph: a `Run` or a run directory; or a `Graph`, or whatever `read` takes, which is trained
            first.
        data: what it is trained on, as for `trace`; digits when left out. For a run that was
            trained on arrays in memory, the same arrays.
        steps: how long it is trained.
        seed: of the training, and of the choice of questions.
        lang: `en` or `zh`.
        run_dir: where the training is kept; it is thrown away when left out.
        settings: attribute overrides, such as `"batch_norm*.momentum=0.9"`.
        input_shape: shape of one example, for inputs that do not say theirs.
        num_classes: outputs of the last dense layer; what the data say when left out.
        unverified: go on even if a step comes out other than recorded.
        progress: told about each step of the training.
        notify: told what the user should know, one line each.
        overwrite: replace a run that `run_dir` holds.

    Raises:
        OpgraphError: the graph, the data or the run cannot be used, or there is no such language.
        MissingDependencyError: TensorFlow is not installed.
    """
    from opgraph.api.run import Run
    from opgraph.api.training import trace
    from opgraph.story import read_catalogue

    read_catalogue(lang)
    about: dict[str, Any] = {"lang": lang, "seed": seed, "unverified": unverified, "notify": notify}
    if isinstance(graph, Run) or is_run(graph):
        run = graph if isinstance(graph, Run) else Run(graph)
        return lesson_of(run, data=data, **about)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        run = trace(
            graph, "digits" if data is None else data, output=run_dir or Path(folder) / "run",
            settings=settings, input_shape=input_shape, num_classes=num_classes, steps=steps,
            seed=seed, progress=progress, notify=notify, overwrite=overwrite,
        )  # fmt: skip
        return lesson_of(run, data=None if isinstance(data, str) else data, **about)


def is_run(source: Any) -> bool:
    """Whether this is the name of a run directory."""
    return isinstance(source, str | Path) and (Path(source) / "run.json").is_file()


def lesson_of(
    run: Run,
    *,
    lang: str = "en",
    seed: int = 0,
    data: Any = None,
    unverified: bool = False,
    notify: Callable[[str], object] | None = None,
) -> LessonPage:
    """A lesson on a recorded training; see `lesson`.

    Raises:
        RunError: it has no step, its steps cannot be had again, or there is no such language.
    """
    from opgraph.api.explaining import run_facts
    from opgraph.story import read_catalogue
    from opgraph.story.lesson import choose_steps, make_lesson

    read_catalogue(lang)
    rows = run.record.steps
    steps, losses = rows["step"].to_pylist(), rows["loss"].to_pylist()
    if not steps:
        raise RunError("no step is recorded yet", where=str(run.path))
    wanted = choose_steps(steps, losses)
    replay = run.replay(data=data, unverified=unverified, notify=notify)
    found = {tensors.step: tensors for tensors in replay.walk(sorted(set(wanted)))}
    first, later = (found[step] for step in wanted)
    about = _facts(run, losses, len(first.inputs[0]))
    made = make_lesson(run.graph.analyze(), first, later, run_facts(run), about, seed)
    return LessonPage(made, lang, tuple(_figures(run, lang, notify)))


def _facts(run: Run, losses: list[float], batch: int) -> LessonFacts:
    from opgraph.story.lesson import LessonFacts

    info = run.record.info
    tested = info.outcome.get("test") or {}
    return LessonFacts(
        data=str(info.data.get("spec", "?")),
        examples=(info.data.get("sizes") or {}).get("train"),
        steps=len(losses),
        batch=batch,
        losses=tuple(losses),
        accuracy=tested.get("accuracy"),
    )


def _figures(run: Run, lang: str, notify: Callable[[str], object] | None) -> list[str]:
    """The network, and its loss over the steps where matplotlib can draw it."""
    from opgraph.api.story_page import curves, network
    from opgraph.render.curves import own_series
    from opgraph.story import read_catalogue

    words, rows = read_catalogue(lang), run.record.steps
    steps, losses = rows["step"].to_pylist(), rows["loss"].to_pylist()
    series = own_series(words["column.loss"], words["page.lesson_loss"], steps, losses)
    found = [network(run.graph.analyze(), None)]
    try:
        found.append(curves([[series]], words["page.lesson_loss"]))
    except MissingDependencyError as error:
        if notify is not None:
            notify(f"the page has no curve of the loss: {error}")
    return found
