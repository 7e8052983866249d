"""A lesson as data: the network node by node, one step told, questions with their answers.

Owns the frozen tree; has no words of any language and draws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opgraph.analysis import Analysis
from opgraph.record import Array
from opgraph.story.formula import Expr
from opgraph.story.model import Item, Sentence, Story, Worked

Given = float | int | str


@dataclass(frozen=True, eq=False)
class NodePart:
    """What is said of one node before any number is worked out.

    Attributes:
        name: of the node.
        kind: its op.
        label: its second name, in another language for instance.
        said: what the op does, and what goes in and comes out.
        formula: of the op, in symbols; None where it has no short one.
        params: how many numbers it learns; None where it has none of its own.
    """

    name: str
    kind: str
    label: str | None
    said: tuple[Sentence, ...]
    formula: Expr | None
    params: Worked | None


@dataclass(frozen=True, eq=False)
class Question:
    """A question about a number of the run, everything it takes to answer it, and the answer.

    Attributes:
        kind: what is asked, such as `bias_gradient`.
        node: which node it is about.
        op: the op of the node.
        label: the node's second name.
        asked: the question.
        given: the numbers (and a few words) that the answer is worked out from, by name.
        answer: sentences and worked lines; the last line has the number that was asked for.
        arrays: whole arrays that the same answer can be computed from, by `node/what`.
        says_all: whether the question itself has everything that is given.
    """

    kind: str
    node: str
    op: str
    label: str | None
    asked: Sentence
    given: Mapping[str, Given]
    answer: tuple[Item, ...]
    arrays: Mapping[str, Array]
    says_all: bool = False

    @property
    def result(self) -> Worked:
        """The line that has the answer."""
        return [item for item in self.answer if isinstance(item, Worked)][-1]


@dataclass(frozen=True)
class LessonFacts:
    """What a lesson says about the training as a whole.

    Attributes:
        data: where the examples come from, in the user's words.
        examples: how many there are to train on; None where that is not known.
        steps: of the run.
        batch: examples in a step.
        losses: of the steps, in order.
        accuracy: on examples that were never trained on; None where it was not measured.
    """

    data: str
    examples: int | None
    steps: int
    batch: int
    losses: tuple[float, ...]
    accuracy: float | None = None


@dataclass(frozen=True, eq=False)
class Lesson:
    """A lesson on a network that was trained.

    Attributes:
        analysis: of the graph that was trained.
        overview: what the network is and what it was trained on.
        nodes: each node, in the order of the computation.
        story: the first step in its six phases, told for a few nodes.
        later: a later step, as far as it has something new to tell.
        questions: about that later step.
    """

    analysis: Analysis
    overview: tuple[Item, ...]
    nodes: tuple[NodePart, ...]
    story: Story
    later: Story
    questions: tuple[Question, ...]

    @property
    def title(self) -> str:
        """The name of the network."""
        return self.analysis.graph.name
