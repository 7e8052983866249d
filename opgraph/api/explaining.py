"""Explaining a step: the run's facts put together, and the story written where it is wanted.

Owns what the story is told about the run; how a step is had again is `runtime`'s to know, what is
told `story`'s, how it looks `render`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opgraph.errors import RunError, suggest

if TYPE_CHECKING:
    from opgraph.analysis import Analysis
    from opgraph.api.run import Run
    from opgraph.record import Array
    from opgraph.story import RunFacts, Story

SUFFIXES = (".txt", ".md", ".html")


@dataclass(frozen=True, eq=False)
class Explanation:
    """The story of a step in a language; shows itself in notebooks.

    Attributes:
        story: what is told.
        lang: `en` or `zh`.
        analysis: of the network, which the page draws.
        node: the one node that is told; None tells of all.
    """

    story: Story
    lang: str = "en"
    analysis: Analysis | None = field(default=None, repr=False)
    node: str | None = None

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
        """As a self-contained page."""
        from opgraph.api.story_page import story_page

        return story_page(self.story, self.lang, self.analysis, self.node)

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        from opgraph.render.story import story_data
        from opgraph.story import read_catalogue

        return story_data(self.story, read_catalogue(self.lang))

    def write(self, path: str | Path) -> None:
        """Write it: `.txt`, `.md` or `.html`, by the suffix.

        Raises:
            RunError: the suffix is another one, or the file cannot be written.
        """
        from opgraph.files import write_text

        check_target(path)
        ways: dict[str, Callable[[], str]] = {
            ".txt": self.text,
            ".md": self.markdown,
            ".html": self.html,
        }
        write_text(Path(path), ways[Path(path).suffix.lower()](), RunError)

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        agreed, checked = self.story.count("agrees"), len(list(self.story.checks()))
        step = self.story.step
        return f"<opgraph.Explanation of step {step}: {agreed} of {checked} numbers agree>"


def check_target(path: str | Path) -> None:
    """Refuse a file that a story cannot be written to.

    Raises:
        RunError: its suffix is another one.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise RunError(
            f"expected a file that ends in {', '.join(SUFFIXES)}, received {Path(path).name!r}",
            where=str(path),
            hint=suggest(suffix, SUFFIXES),
        )


def check_request(
    run: Run, step: int | None, node: str | None, phase: str | None, lang: str, index: str | None
) -> int:
    """Refuse what cannot be meant, before anything heavy is loaded; the step that is meant.

    Raises:
        RunError: there is no such step, node, phase or language, or the index cannot be read.
    """
    from opgraph.story import check_choice, read_catalogue

    read_catalogue(lang)
    check_choice(run.graph.inner, node, phase)
    if index is not None and node is None:
        raise RunError("an index belongs to a node", where="index", hint="add --node")
    read_index(index)
    if step is None:
        steps = run.record.steps["step"].to_pylist()
        if not steps:
            raise RunError("no step is recorded yet", where=str(run.path))
        return int(steps[-1])
    run.record.check_step(step)
    return step


def read_index(text: str | None) -> tuple[int, ...] | None:
    """An element such as `3,4,7`.

    Raises:
        RunError: it is no list of whole numbers.
    """
    if text is None:
        return None
    words = [word.strip() for word in text.strip("[]() ").split(",") if word.strip()]
    if not words or not all(word.isdecimal() for word in words):
        raise RunError(f"expected numbers such as 3,4,7, received {text!r}", where="index")
    return tuple(int(word) for word in words)


def explain(
    run: Run,
    step: int | None = None,
    *,
    node: str | None = None,
    index: str | None = None,
    example: int | None = None,
    phase: str | None = None,
    lang: str = "en",
    unverified: bool = False,
    notify: Callable[[str], object] | None = None,
) -> Explanation:
    """The story of a step, with its own numbers; see `Run.explain`.

    Raises:
        RunError: something that is asked for does not exist, or the step cannot be had again.
    """
    from opgraph.story import tell_story

    chosen = check_request(run, step, node, phase, lang, index)
    tensors = run.replay(unverified=unverified, notify=notify).at(chosen)
    analysis = run.graph.analyze()
    story = tell_story(
        analysis,
        tensors,
        run_facts(run),
        node=node,
        phase=phase,
        example=example,
        index=read_index(index),
    )
    return Explanation(story, lang, analysis, node)


def run_facts(run: Run) -> RunFacts:
    """What the story is told about the run."""
    from opgraph.story import RunFacts

    info = run.record.info
    config = info.config
    made = config.get("optimizer_config", {})
    inner = made.get("config", {}).get("inner_optimizer") or made
    started = config.get("started")
    return RunFacts(
        optimizer=str(inner.get("class_name", config.get("optimizer"))),
        settings=inner.get("config", {}),
        heads=tuple(config.get("objective", ())),
        seed=info.seed,
        accumulate=int(config.get("accumulate", 1)),
        first_step=info.first_step,
        started=None
        if not started
        else str(started.get("source") or started.get("path") or started),
        initial=_initial(run),
        class_names=tuple(info.data.get("class_names") or ()),
    )


def _initial(run: Run) -> dict[str, Array]:
    """The weights before the first step, by `node/weight`; none where they were not kept."""
    first = run.record.info.first_step
    if first not in run.record.keyframe_steps:
        return {}
    try:
        arrays = run.record.keyframe(first).arrays
    except RunError:
        return {}
    start = "model/"
    return {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}
