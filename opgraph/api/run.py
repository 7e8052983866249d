"""The user's handle of a recorded training: a run directory, opened for reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from opgraph.api.extras import needed_for

if TYPE_CHECKING:
    import pyarrow as pa

    from opgraph.api.explaining import Explanation
    from opgraph.api.exporting import Exported
    from opgraph.api.following import Following
    from opgraph.api.graph import Graph
    from opgraph.api.lessons import LessonPage
    from opgraph.record import Record, SiteKind, StepTensors
    from opgraph.render.curves import Series
    from opgraph.runtime import Autopsy, Evaluation, Prediction, Replay
    from opgraph.runtime.data import Data


class Run:
    """A recorded training.

    Made by `opgraph.trace` or `opgraph.open_run`.

    Attributes:
        path: the run directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._replays: dict[bool, Replay] = {}
        self._data: Data | None = None
        _ = self.record

    @cached_property
    def record(self) -> Record:
        """What reads the files of the run."""
        with needed_for("reading a run"):
            from opgraph.record import open_run

        return open_run(self.path)

    @property
    def config(self) -> dict[str, Any]:
        """What stands in `run.json`: configuration, versions, seeds, flags, data, command."""
        return asdict(self.record.info)

    @cached_property
    def graph(self) -> Graph:
        """The graph that was trained, completed."""
        from opgraph.api.graph import Graph
        from opgraph.formats import from_json

        return Graph(from_json(self.record.graph))

    @property
    def steps(self) -> pa.Table:
        """One row a step: loss, accuracy, learning rate, times."""
        return self.record.steps

    def table(
        self, kind: SiteKind, *, nodes: str | None = None, steps: int | range | None = None
    ) -> pa.Table:
        """The statistics of one kind of site, one row for each step and site.

        Args:
            kind: `steps`, `output`, `output_grad`, `weight` or `bn`.
            nodes: a glob over node names.
            steps: a step or a range of them; all when left out.

        Raises:
            RunError: no such kind, or the files cannot be read.
        """
        return self.record.table(kind, nodes=nodes, steps=steps)

    def curves(self, what: Any = None, **options: Any) -> list[list[Series]]:
        """Quantities over the steps, drawn to `output=`; see `opgraph.draw_curves`."""
        from opgraph.api.curves import draw_curves

        return draw_curves(self, what, **options)

    def draw(self, path: str | Path | None = None, **options: Any) -> str:
        """Draw the graph that was trained as SVG, with numbers of the training.

        Args:
            path: where to write it, if anywhere.
            options: `annotate` and `color_by` (names such as `"grad_norm"`), `step` or `reduce`
                (`last`, `mean`, `max` over the steps); see `opgraph.render.make_notes`. Those of
                `opgraph.render.draw_svg`: theme, direction, title and so on.

        Returns:
            The SVG text.

        Raises:
            OpgraphError: there is nothing of a name in `annotate` or `color_by`.
            RunError: the step is not recorded, or a quantity was not measured then.
        """
        from opgraph.api.drawing import draw

        return draw(self.graph.analyze(), path, record=self.record, **options)

    def export(self, to: str, output: str | Path, **options: Any) -> Exported:
        """The run for another tool: `csv`, `tensorboard`, `netron` or `model-explorer`."""
        from opgraph.api.exporting import export_run

        return export_run(self, to, output, **options)

    @property
    def keyframes(self) -> list[int]:
        """Steps whose full state is kept."""
        return self.record.keyframe_steps

    def model(self, step: int | Literal["best"] | None = None) -> Any:
        """The trained Keras model as it was after a step, or at its best (`"best"`).

        When left out, the network that the run ended with and was tested: that of the last step, or
        of the best one if that was restored, with moving averages of its weights if those were
        kept.

        Raises:
            RunError: no keyframe was kept at this step.
        """
        from opgraph.runtime import restore

        return restore(self.path, self.graph.inner, step)

    def requery(self, what: Any, **options: Any) -> pa.Table:
        """An expression or a function over steps of the run; see `opgraph.requery`."""
        from opgraph.api.hindsight import requery

        return requery(self, what, **options)

    def branch(self, step: int, *, output: str | Path, **changes: Any) -> Run:
        """Train on from the state after a step, with something changed; see `opgraph.branch`."""
        from opgraph.api.branching import branch

        return branch(self, step, output=output, **changes)

    def at(self, step: int, *, data: Any = None, unverified: bool = False) -> StepTensors:
        """Everything that a step computed, made again and proved to be what was recorded.

        Args:
            step: its number, from 1.
            data: of a run that was trained on arrays in memory: the same arrays once more.
            unverified: hand the tensors over even if they differ from the record; they say so.

        Raises:
            RunError: there is no such step, the run cannot be replayed, or comes out different.
            DataError: its data cannot be had any more, or have changed, or are others.
        """
        return self.replay(data=data, unverified=unverified).at(step)

    def replay(
        self,
        *,
        data: Any = None,
        unverified: bool = False,
        notify: Callable[[str], object] | None = None,
    ) -> Replay:
        """The training again, to be taken to any of its steps; the network is built once.

        Args:
            data: of a run that was trained on arrays in memory: the same arrays once more, as
                `trace` got them. They are needed once; what else asks this object for steps
                (`at`, `requery`, `autopsy`) finds them then.
            unverified: hand tensors over even if they differ from the record; they say so.
            notify: told what the user should know, one line each.

        Raises:
            RunError: the run cannot be replayed.
            DataError: its data cannot be had any more, or have changed, or are others.
        """
        from opgraph.api.replaying import data_again, make_replay

        if data is not None or self._data is None:
            self._data = data_again(self, data)
        if unverified not in self._replays:
            self._replays[unverified] = make_replay(self, self._data, unverified, notify)
        return self._replays[unverified]

    def explain(
        self,
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
        """How a step came to its numbers, told with those numbers and checked independently.

        Args:
            step: its number, from 1; the last one recorded when left out.
            node: tell of this node alone.
            index: the element that is worked out, such as `"3,4,7"`, of the node's output or of a
                weight of that many axes; the one with the largest gradient when left out.
            example: which example of the batch is followed, from 0; the one with the largest loss
                when left out.
            phase: `initial`, `forward`, `loss`, `backward`, `update` or `moving`; all when left
                out.
            lang: `en` or `zh`.
            unverified: go on even if the step comes out other than recorded.
            notify: told what the user should know, one line each.

        Raises:
            RunError: something that is asked for does not exist, or the step cannot be had again.
        """
        from opgraph.api.explaining import explain

        return explain(
            self, step, node=node, index=index, example=example, phase=phase, lang=lang,
            unverified=unverified, notify=notify,
        )  # fmt: skip

    def follow(
        self,
        element: str | None = None,
        *,
        output: str | None = None,
        steps: int | range | Sequence[int] | None = None,
        lang: str = "en",
        unverified: bool = False,
        notify: Callable[[str], object] | None = None,
        on_step: Callable[[int, int], object] | None = None,
    ) -> Following:
        """The life of one number: each step's value, gradient and change, and why it moved most.

        Args:
            element: of a weight, such as `"conv2d_1/kernel[1,1,0,5]"`.
            output: or of an output, such as `"relu_2[0,3,3,7]"`, the example of the batch first.
            steps: a step, a range or a list of steps; all when left out, or where that would take
                long the last ones.
            lang: `en` or `zh`.
            unverified: take numbers that differ from the record, too.
            notify: told beforehand about how long it will take, one line each.
            on_step: told the number of steps that are done, and how many there are.

        Raises:
            RunError: there is no such element, or the steps cannot be had again.
        """
        from opgraph.api.following import follow

        return follow(
            self, element, output=output, steps=steps, lang=lang, unverified=unverified,
            notify=notify, on_step=on_step,
        )  # fmt: skip

    def lesson(self, *, lang: str = "en", seed: int = 0, **options: Any) -> LessonPage:
        """A lesson on the network for a class, with questions and a worksheet.

        Args:
            lang: `en` or `zh`.
            seed: another one asks about other nodes and elements.
            options: data, unverified, notify; see `opgraph.api.lessons.lesson_of`.

        Raises:
            RunError: there is no such language, or the steps cannot be had again.
        """
        from opgraph.api.lessons import lesson_of

        return lesson_of(self, lang=lang, seed=seed, **options)

    def autopsy(
        self,
        step: int | None = None,
        *,
        unverified: bool = False,
        notify: Callable[[str], object] | None = None,
    ) -> Autopsy | None:
        """Where numbers stopped being finite: the first node that made them so, and why.

        Args:
            step: where to look; the first step whose record has such a number when left out.
            unverified: go on even if the step comes out other than recorded.
            notify: told what the user should know, one line each.

        Returns:
            None if all numbers are finite.

        Raises:
            RunError: there is no such step, the run cannot be replayed, or comes out different.
        """
        from opgraph.api.replaying import find_nonfinite

        return find_nonfinite(self, step, unverified, notify)

    def evaluate(
        self, data: Any = None, *, step: int | Literal["best"] | None = None
    ) -> Evaluation:
        """Loss and accuracy on the test split; of the run's own data when left out."""
        from opgraph.api.functions import evaluate

        return evaluate(self, data, step=step)

    def predict(
        self, images: Sequence[str | Path], *, step: int | Literal["best"] | None = None
    ) -> Prediction:
        """Classify image files, each enlarged and scaled as the training data were.

        Raises:
            DataError: an image cannot be read, or the run was not trained on images.
        """
        from opgraph.api.functions import predict

        return predict(self, images, step=step)

    def __repr__(self) -> str:
        return f"<opgraph.Run {str(self.path)!r}: {len(self.record.steps)} steps>"
