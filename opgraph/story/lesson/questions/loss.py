"""Questions on the loss, and on the gradient that begins with it."""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.story.heads import CATEGORICAL, SQUARED, HeadView, head_views
from opgraph.story.lesson.model import Given, Question
from opgraph.story.lesson.questions.asking import (
    MOST_NUMBERS,
    Quiz,
    behind,
    make,
    numbered,
    striking,
    up_to,
)
from opgraph.story.loss import tell_first_gradient, tell_loss
from opgraph.story.model import Block, Item, Worked, say
from opgraph.story.view import NodeView, largest, named


def _plain(quiz: Quiz) -> HeadView | None:
    """The output with a loss, if it is the only one and compared with one class or with numbers."""
    heads = head_views(quiz.step)
    if len(heads) != 1 or not heads[0].is_told or heads[0].losses.ndim != 1:
        return None
    head = heads[0]
    plain = not head.smoothing and head.about["class_weights"] is None and head.weight == 1
    certain = bool((head.targets.max(axis=-1) == 1).all())
    fits = head.loss in SQUARED or (head.loss in CATEGORICAL and certain)
    return head if plain and fits and head.chances.shape[-1] <= MOST_NUMBERS else None


def _at(quiz: Quiz, topic: str, *losses: str) -> tuple[HeadView, int] | None:
    """That output, if it has one of these losses, and one of the examples that are most wrong."""
    head = _plain(quiz)
    if head is None or head.loss not in losses:
        return None
    (example,) = striking(quiz.draw(topic), head.losses)
    return head, example


def ask_squared(quiz: Quiz) -> Iterator[Question]:
    """The squared error of one example."""
    found = _at(quiz, "squared", *SQUARED)
    if found is None:
        return
    head, example = found
    view = quiz.with_example(head.view, example)
    output, target = head.chances[example], head.targets[example]
    given: dict[str, Given | None] = {**numbered("output", output), **numbered("y", target)}
    told = up_to(_items(tell_loss(view.step)), f"loss[{example}]")
    asked = say("ask.squared", example=example)
    arrays = {f"{view.name}/output.batch": head.chances, f"{view.name}/y": head.targets}
    yield from make("squared", view, asked, given, behind(told, "loss.example"), arrays)


def ask_squared_gradient(quiz: Quiz) -> Iterator[Question]:
    """The gradient of a squared error at an output."""
    found = _at(quiz, "squared_gradient", *SQUARED)
    if found is None:
        return
    head, example = found
    view = quiz.with_example(head.view, example)
    (unit,) = largest(head.gradient[example])
    given: dict[str, Given | None] = {
        "output": float(head.chances[example, unit]),
        "y": float(head.targets[example, unit]),
        "count": head.divisor,
    }
    asked = say("ask.squared_gradient", element=named(view.name, "output", (example, unit)))
    arrays = {f"{view.name}/output.batch": head.chances, f"{view.name}/y": head.targets}
    yield from make("squared_gradient", view, asked, given, _beginning(view), arrays)


def _beginning(view: NodeView) -> tuple[Item, ...]:
    """Where the way back begins, up to the first line."""
    items = _items(tell_first_gradient(view.step))
    at = next((at for at, item in enumerate(items) if isinstance(item, Worked)), -1)
    return tuple(items[: at + 1])


def ask_entropy(quiz: Quiz) -> Iterator[Question]:
    """The loss of one example."""
    found = _at(quiz, "entropy", *CATEGORICAL)
    if found is None:
        return
    head, example = found
    view = quiz.with_example(head.view, example)
    label = int(head.targets[example].argmax())
    given: dict[str, Given | None] = {"label": label, **numbered("p", head.chances[example])}
    told = up_to(_items(tell_loss(view.step)), f"loss[{example}]")
    asked = say("ask.entropy", example=example, label=_class(head, label))
    arrays = {f"{head.view.name}/labels": head.labels, f"{head.view.name}/p": head.chances}
    yield from make("entropy", view, asked, given, behind(told, "loss.example"), arrays)


def ask_mean_loss(quiz: Quiz) -> Iterator[Question]:
    """The loss of the step."""
    head = _plain(quiz)
    if head is None or head.losses.size > MOST_NUMBERS:
        return
    view = quiz.with_example(head.view, quiz.step.example)
    told = behind(up_to(_items(tell_loss(view.step)), "loss"), "loss.mean")
    arrays = {f"{view.name}/losses.batch": head.losses}
    asked = say("ask.mean_loss", count=head.losses.size)
    yield from make("mean_loss", view, asked, numbered("loss", head.losses), told, arrays)


def ask_first_gradient(quiz: Quiz) -> Iterator[Question]:
    """The gradient at a score: p - y, divided by the number of examples."""
    found = _at(quiz, "first_gradient", *CATEGORICAL)
    if found is None:
        return
    head, example = found
    view = quiz.with_example(head.view, example)
    (unit,) = largest(head.gradient[example])
    given: dict[str, Given | None] = {
        "p": float(head.chances[example, unit]),
        "y": float(head.targets[example, unit]),
        "count": head.divisor,
    }
    asked = say("ask.first_gradient", example=example, label=_class(head, unit),
                right=_class(head, int(head.targets[example].argmax())))  # fmt: skip
    arrays = {f"{view.name}/p": head.chances, f"{view.name}/labels": head.labels}
    yield from make("first_gradient", view, asked, given, _beginning(view), arrays)


def _items(blocks: Iterator[Block]) -> list[Item]:
    return [item for block in blocks for item in block.items]


def _class(head: HeadView, number: int) -> str:
    names = head.step.facts.class_names
    return names[number] if len(names) == head.chances.shape[-1] else str(number)
