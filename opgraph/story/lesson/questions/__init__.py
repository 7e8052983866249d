"""Questions about a step, each made only where the network has what it asks about.

Owns which kinds there are and in which order they stand; a file of askers for each part of a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from opgraph.story.lesson.model import Question
from opgraph.story.lesson.questions import backward, counting, forward, loss
from opgraph.story.lesson.questions.asking import Quiz

ASKERS: Mapping[str, Callable[[Quiz], Iterator[Question]]] = {
    "params": counting.ask_params,
    "shape": counting.ask_shape,
    "limit": counting.ask_limit,
    "convolution": forward.ask_convolution,
    "dense": forward.ask_dense,
    "batch_norm": forward.ask_batch_norm,
    "layer_norm": forward.ask_layer_norm,
    "winner": forward.ask_winner,
    "mean": forward.ask_mean,
    "merge": forward.ask_merge,
    "dropout": forward.ask_dropout,
    "softmax": forward.ask_softmax,
    "entropy": loss.ask_entropy,
    "squared": loss.ask_squared,
    "mean_loss": loss.ask_mean_loss,
    "first_gradient": loss.ask_first_gradient,
    "squared_gradient": loss.ask_squared_gradient,
    "weight_gradient": backward.ask_weight_gradient,
    "bias_gradient": backward.ask_bias_gradient,
    "blocked": backward.ask_blocked,
    "new_value": backward.ask_new_value,
    "moving_mean": backward.ask_moving_mean,
    "initial_share": backward.ask_initial_share,
}


def ask(quiz: Quiz) -> tuple[Question, ...]:
    """All questions that fit the network."""
    return tuple(question for asker in ASKERS.values() for question in asker(quiz))


__all__ = ["ASKERS", "Quiz", "ask"]
