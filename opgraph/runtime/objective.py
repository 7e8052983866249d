"""What a network is trained for: the losses the user names, else the one that suits its end.

Owns the rules and says their reasons in words; must not know how a loss is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from opgraph.errors import TraceError, suggest
from opgraph.graph import Endpoint, OpGraph
from opgraph.record import Array
from opgraph.runtime.choice import is_number
from opgraph.runtime.class_weights import ClassWeights, weigh_classes
from opgraph.runtime.data import Kind
from opgraph.runtime.heads import Head, Judged, Objective
from opgraph.runtime.losses import LOSSES, Custom, Loss, read_loss
from opgraph.runtime.meaning import last_function, units_of
from opgraph.runtime.metrics import METRICS, metric_named, usual_metric

LossSpec = str | Custom
Losses = LossSpec | Mapping[str, LossSpec]
Metrics = Sequence[str] | Mapping[str, Sequence[str]]
CHANCES = ("softmax", "sigmoid")

__all__ = ["Head", "Judged", "Objective", "choose_objective"]


@dataclass(frozen=True)
class _Output:
    """A node whose output is trained, and what it means."""

    name: str
    function: str | None
    units: int | None


def choose_objective(
    graph: OpGraph,
    *,
    losses: Losses | None = None,
    metrics: Metrics = (),
    loss_weights: Mapping[str, float] | None = None,
    class_weights: ClassWeights | None = None,
    label_smoothing: float = 0.0,
    kinds: Mapping[str, Kind] | None = None,
    labels: Sequence[Array] | None = None,
) -> Objective:
    """What a graph is trained for: what the user says, else what suits its last node.

    Args:
        graph: a completed graph.
        losses: one for all trained outputs, or one for each by its name; those that are named are
            the ones that are trained.
        metrics: names for all heads that they fit, or for each head by its output's name; the usual
            one of the kind when left out.
        loss_weights: what each loss is multiplied by before the sum; 1 when left out.
        class_weights: `balanced`, or a factor for each class id.
        label_smoothing: share of certainty that is taken from the right class and spread over all.
        kinds: what the data hold for each trained output, where that is known.
        labels: what is trained on, one array for each head, for `balanced`.

    Raises:
        TraceError: there is no output that labels can be compared with, or several and nothing
            says which; or a loss, metric or weight cannot be as it was said.
    """
    wanted = _trained(graph, losses, kinds or {})
    heads = [
        _head(_output(graph, name), loss, (kinds or {}).get(name)) for name, loss in wanted.items()
    ]
    heads = _with_weights(heads, loss_weights or {})
    heads = _with_metrics(heads, metrics)
    if label_smoothing:
        heads = _smoothed(heads, label_smoothing)
    if class_weights is not None:
        heads = _weighted(heads, class_weights, labels)
    return Objective(tuple(heads))


def _trained(
    graph: OpGraph, losses: Losses | None, kinds: Mapping[str, Kind]
) -> dict[str, LossSpec | None]:
    """The outputs that are trained, in the order of the graph, and the loss asked for."""
    sinks = [name for name in graph.sinks if graph[name].kind.category != "input"]
    if isinstance(losses, Mapping):
        _refuse_unknown(losses, sinks, "loss")
        return {name: losses[name] for name in sinks if name in losses}
    if kinds:
        _refuse_unknown(kinds, sinks, "kinds")
        return {name: losses for name in sinks if name in kinds}
    return {_only_output(graph, sinks): losses}


def _only_output(graph: OpGraph, sinks: list[str]) -> str:
    chosen = sinks
    if len(sinks) > 1:
        chosen = [name for name in sinks if last_function(graph, name) in CHANCES]
    if len(chosen) != 1:
        example = " ".join(f"--loss {name}=..." for name in sinks[:2])
        raise TraceError(
            f"there are {len(sinks)} outputs ({', '.join(map(repr, sinks))}) and it is not clear"
            " which one the labels belong to",
            where=graph.name,
            hint="end exactly one branch in a Softmax, cut the others off, or name a loss for each"
            + (f": {example}" if example else ""),
        )
    return chosen[0]


def _output(graph: OpGraph, name: str) -> _Output:
    return _Output(name, last_function(graph, name), units_of(graph, name))


def _head(output: _Output, spec: LossSpec | None, kind: Kind | None) -> Head:
    if spec is None:
        return _suitable(output, kind)
    where = f"loss of {output.name!r}"
    loss = read_loss(spec, where)
    if loss.function is not None:
        # A function does not say what it compares; the data do, where they are known.
        single = output.units == 1 and output.function not in CHANCES
        kind = kind or ("numbers" if single else "classes")
        return _made(output, loss, kind, f"{output.name!r}: a function of the user's")
    usual = LOSSES[loss.name].kind
    if usual == "flags" and output.units == 1:
        usual = "classes"
    kind = kind or usual
    _check_kind(output, loss, kind)
    return _made(output, loss, kind, f"{output.name!r}: asked for")


def _suitable(output: _Output, kind: Kind | None) -> Head:
    """The loss for an output that nothing was said about."""
    name, function, units = output.name, output.function, output.units
    if kind == "numbers":
        return _made(
            output, Loss("mse"), kind, f"the labels of {name!r} are numbers: squared error"
        )
    if kind == "flags":
        reason = f"the labels of {name!r} are flags: binary cross-entropy of each"
        return _made(output, Loss("binary_crossentropy"), kind, reason)
    if function == "softmax":
        reason = f"{name!r} ends in a softmax: cross-entropy of its probabilities"
        return _made(output, Loss("sparse_categorical_crossentropy"), "classes", reason)
    if units == 1:
        what = "probability" if function == "sigmoid" else "score"
        reason = f"{name!r} is a single {what}: binary cross-entropy"
        return _made(output, Loss("binary_crossentropy"), "classes", reason)
    if function == "sigmoid":
        raise TraceError(
            "ends in a sigmoid with several units, which answers several questions at once;"
            " class labels answer one",
            where=name,
            node=name,
            hint="end it in a Softmax, give it one unit, or say --loss binary_crossentropy and"
            " bring flags",
        )
    reason = f"{name!r} is taken as scores: cross-entropy from logits"
    return _made(output, Loss("sparse_categorical_crossentropy"), "classes", reason)


def _made(output: _Output, loss: Loss, kind: Kind, reason: str) -> Head:
    """The head; an output that is no chance is a score, unless it stands for numbers."""
    chances = ("sigmoid",) if output.units == 1 or kind == "flags" else CHANCES
    scores = kind != "numbers" and output.function not in chances
    return Head(
        Endpoint(output.name),
        loss.function or loss.name,
        loss.from_logits or scores,
        kind=kind,
        reason=reason,
        arguments=loss.arguments,
        units=output.units,
    )


def _check_kind(output: _Output, loss: Loss, kind: Kind) -> None:
    """Refuse a loss that cannot be taken of such an output or such labels."""
    form = LOSSES[loss.name].form
    if form in ("ids", "one_hot") and output.units == 1:
        raise TraceError(
            f"{loss.name} needs one unit for each class, and there is a single one",
            where=output.name,
            node=output.name,
            hint="use binary_crossentropy, or give it as many units as classes",
        )
    if kind == "numbers" and form == "ids":
        raise TraceError(
            f"{loss.name} compares class ids, the labels of this output are numbers",
            where=output.name,
            node=output.name,
            hint="use mse, mae or huber",
        )


def _with_weights(heads: list[Head], weights: Mapping[str, float]) -> list[Head]:
    _refuse_unknown(weights, [head.name for head in heads], "loss_weights")
    for name, weight in weights.items():
        if not is_number(weight) or weight < 0:
            raise TraceError(
                f"{name}: expected a number from 0 on, received {weight!r}", where="loss_weights"
            )
    return [replace(head, weight=float(weights.get(head.name, 1))) for head in heads]


def _with_metrics(heads: list[Head], metrics: Metrics) -> list[Head]:
    if isinstance(metrics, Mapping):
        _refuse_unknown(metrics, [head.name for head in heads], "metrics")
        asked = {head.name: tuple(metrics.get(head.name, ())) for head in heads}
    else:
        asked = {head.name: tuple(metrics) for head in heads}
    for name in dict.fromkeys(name for names in asked.values() for name in names):
        _check_metric(name, [head for head in heads if name in asked[head.name]])
    return [replace(head, metrics=_fitting(head, asked[head.name])) for head in heads]


def _check_metric(name: str, heads: list[Head]) -> None:
    try:
        known = metric_named(name)
    except KeyError:
        raise TraceError(
            f"expected some of {', '.join(METRICS)}, received {name!r}",
            where="metrics",
            hint=suggest(name, METRICS),
        ) from None
    if not any(known.fits(head) for head in heads):
        kinds = " and ".join(dict.fromkeys(head.kind for head in heads))
        usable = [other.name for other in METRICS.values() if any(map(other.fits, heads))]
        raise TraceError(
            f"{name} means nothing for labels that are {kinds}",
            where="metrics",
            hint=f"those that do: {', '.join(usable)}",
        )


def _fitting(head: Head, asked: tuple[str, ...]) -> tuple[str, ...]:
    fitting = tuple(name for name in dict.fromkeys(asked) if metric_named(name).fits(head))
    return fitting or (usual_metric(head.kind),)


def _smoothed(heads: list[Head], share: float) -> list[Head]:
    smoothed = [_smooth(head, share) for head in heads]
    if all(after is before for after, before in zip(smoothed, heads, strict=True)):
        names = ", ".join(dict.fromkeys(head.loss_name for head in heads))
        raise TraceError(
            f"{names} knows no certainty that could be smoothed", where="label_smoothing"
        )
    return smoothed


def _smooth(head: Head, share: float) -> Head:
    """Class ids become rows of ones and zeros, which can be smoothed."""
    name = head.loss
    if name == "sparse_categorical_crossentropy":
        name = "categorical_crossentropy"
    if not isinstance(name, str) or not LOSSES[name].smooths:
        return head
    return replace(head, loss=name, arguments={**head.arguments, "label_smoothing": share})


def _weighted(heads: list[Head], spec: ClassWeights, labels: Sequence[Array] | None) -> list[Head]:
    if not any(head.kind == "classes" for head in heads):
        raise TraceError("there are no classes to weigh", where="class_weights")
    found: list[Head] = []
    for number, head in enumerate(heads):
        own = None if labels is None else labels[number]
        found.append(_weigh(head, spec, own) if head.kind == "classes" else head)
    return found


def _weigh(head: Head, spec: ClassWeights, labels: Array | None) -> Head:
    known = 0 if labels is None else int(labels.max()) + 1
    if not isinstance(spec, str):
        known = max(known, *(int(key) + 1 for key in spec), 0) if not head.classes else known
    return replace(head, class_weights=weigh_classes(spec, head.classes or known, labels))


def _refuse_unknown(given: Iterable[str], known: Sequence[str], where: str) -> None:
    for name in given:
        if name not in known:
            raise TraceError(
                f"{name!r} is no trained output; there are: {', '.join(map(repr, known))}",
                where=where,
                hint=suggest(name, known),
            )
