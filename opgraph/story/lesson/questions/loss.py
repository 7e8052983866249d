"""Questions on the loss, and on the gradient that begins with it."""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.story.heads import CATEGORICAL, HeadView, head_views
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
from opgraph.story.model import Block, Item, say
from opgraph.story.view import largest


def _plain(quiz: Quiz) -> HeadView | None:
    """The output that is compared with one class of each example, if there is just one output."""
    heads = head_views(quiz.step)
    if len(heads) != 1 or not heads[0].is_told or heads[0].loss not in CATEGORICAL:
        return None
    head = heads[0]
    plain = not head.smoothing and head.about["class_weights"] is None and head.weight == 1
    certain = bool((head.targets.max(axis=-1) == 1).all())
    return head if plain and certain and head.losses.ndim == 1 else None


def _at(quiz: Quiz, topic: str) -> tuple[HeadView, int] | None:
    """That output, and one of the examples that are most wrong."""
    head = _plain(quiz)
    if head is None or head.chances.shape[-1] > MOST_NUMBERS:
        return None
    (example,) = striking(quiz.draw(topic), head.losses)
    return head, example


def ask_entropy(quiz: Quiz) -> Iterator[Question]:
    """The loss of one example."""
    found = _at(quiz, "entropy")
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
    found = _at(quiz, "first_gradient")
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
    items = _items(tell_first_gradient(view.step))
    line = next(item for item in items if hasattr(item, "check"))
    told = items[: items.index(line) + 1]
    asked = say("ask.first_gradient", example=example, label=_class(head, unit),
                right=_class(head, int(head.targets[example].argmax())))  # fmt: skip
    arrays = {f"{view.name}/p": head.chances, f"{view.name}/labels": head.labels}
    yield from make("first_gradient", view, asked, given, told, arrays)


def _items(blocks: Iterator[Block]) -> list[Item]:
    return [item for block in blocks for item in block.items]


def _class(head: HeadView, number: int) -> str:
    names = head.step.facts.class_names
    return names[number] if len(names) == head.chances.shape[-1] else str(number)
