"""A lesson put together: which nodes are told, and what is asked about.

Owns that choice; what a phase tells and what is asked are the phases' and the askers' to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from opgraph.analysis import Analysis
from opgraph.record import StepTensors
from opgraph.story.heads import head_views
from opgraph.story.lesson.model import Lesson, LessonFacts
from opgraph.story.lesson.nodes import tell_nodes, tell_overview
from opgraph.story.lesson.questions import Quiz, ask
from opgraph.story.model import Story, say
from opgraph.story.tell import tell_phases, worst_example
from opgraph.story.view import RunFacts, StepView

LATER = ("update", "moving")


def choose_steps(steps: Sequence[int], losses: Sequence[float]) -> tuple[int, int]:
    """The first step, and of the second half the one with the largest loss.

    >>> choose_steps([1, 2, 3, 4], [2.0, 1.5, 0.9, 1.1])
    (1, 4)
    """
    half = len(steps) // 2
    known = [(loss if loss == loss else -1.0, step)
             for step, loss in zip(steps[half:], losses[half:], strict=True)]  # fmt: skip
    return steps[0], max(known, key=lambda entry: entry[0])[1]


def make_lesson(
    analysis: Analysis,
    first: StepTensors,
    later: StepTensors,
    facts: RunFacts,
    about: LessonFacts,
    seed: int = 0,
) -> Lesson:
    """A lesson on a network, from two steps of its training.

    Args:
        analysis: of the graph that was trained.
        first: everything that the first step computed; it is told.
        later: the same of a later step; questions are about it.
        facts: of the run, for the story.
        about: of the run, for the overview.
        seed: another one asks about other nodes and elements.
    """
    now, then = (_followed(StepView(analysis, tensors, facts)) for tensors in (first, later))
    story = tell_phases(replace(now, some=chosen_nodes(now)))
    after = tell_phases(replace(then, some=remembering_nodes(then)), LATER)
    return Lesson(
        analysis=analysis,
        overview=tuple(tell_overview(analysis, about)),
        nodes=tuple(tell_nodes(now)),
        story=replace(story, opening=(*story.opening, say("lesson.few"))),
        later=_remembering(after),
        questions=ask(Quiz(then, seed)),
    )


def _followed(step: StepView) -> StepView:
    """The step with the example that was most wrong."""
    return replace(step, example=worst_example(step))


def chosen_nodes(step: StepView) -> frozenset[str]:
    """Of each kind the first node; of the kind that makes the scores, that one."""
    first = {view.kind: name for name, view in reversed(step.nodes.items())}
    return frozenset((first | _scores(step)).values())


def _scores(step: StepView) -> dict[str, str]:
    """The node that makes the scores, by its kind."""
    found: dict[str, str] = {}
    for head in head_views(step):
        is_softmax = head.view.kind == "Softmax"
        scores = step.nodes[head.view.reads[0].node] if is_softmax else head.view
        found[scores.kind] = scores.name
    return found


def remembering_nodes(step: StepView) -> frozenset[str]:
    """The node that makes the scores, and the first one with moving statistics."""
    normalised = [name for name, view in step.nodes.items() if view.own("moving_mean") is not None]
    return frozenset((*_scores(step).values(), *normalised[:1]))


def _remembering(story: Story) -> Story:
    """A later step, with a sentence about what is new in it."""
    phases = tuple(phase for phase in story.phases if phase.blocks)
    moves = any(phase.name == "moving" for phase in phases)
    key = "lesson.later" if moves else "lesson.later_alone"
    return replace(story, phases=phases, opening=(say(key, step=story.step),))
