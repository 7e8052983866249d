"""What the names in an expression stand for: tensors, their statistics, figures of the step.

Owns the way from `conv*.kernel.grad.rms` to tensors and statistics, and which of them a run has
recorded; knows neither arrays nor files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from opgraph.errors import suggest
from opgraph.record.expression.functions import FUNCTIONS, STATISTICS
from opgraph.record.expression.tree import Expression, Reference
from opgraph.record.layout import Site
from opgraph.record.quantities import BN_MOMENTS, WEIGHT_PARTS, Quantity, SiteKind, quantities
from opgraph.record.survey import Survey
from opgraph.record.tensors import TensorName, output_name

Over = Literal["any", "all"]
ALIASES = {"lr": "learning_rate"}
LISTED = 8


@dataclass(frozen=True)
class Column:
    """A statistic that a run records: the quantity of a site.

    Attributes:
        site: where it is measured.
        quantity: what of it.
    """

    site: Site
    quantity: Quantity

    @property
    def kind(self) -> SiteKind:
        """The table that it stands in."""
        return self.site.kind


@dataclass(frozen=True)
class Figure:
    """A number of the whole step."""

    name: str


@dataclass(frozen=True)
class Tensors:
    """A tensor or a statistic of it; of several nodes, if the name says so.

    Attributes:
        names: the tensors, in the order of the network.
        statistic: what of them; None for the whole tensor.
        over: how a comparison over several nodes is meant; None for a single one.
    """

    names: tuple[TensorName, ...]
    statistic: str | None = None
    over: Over | None = None


@dataclass(frozen=True)
class Names:
    """Everything that an expression may name.

    Attributes:
        tensors: what there is of each node, in the order of the network.
        figures: numbers of the whole step.
        columns: the statistics that are recorded.
        missing: gradients that do not exist.
    """

    tensors: Mapping[str, Sequence[str]]
    figures: tuple[str, ...]
    columns: Mapping[tuple[TensorName, str], Column] = field(
        default_factory=dict[tuple[TensorName, str], Column]
    )
    missing: frozenset[TensorName] = frozenset()


def names_of(
    sites: Iterable[Site], figures: Iterable[str], more: Iterable[TensorName] = ()
) -> Names:
    """What may be named, from the sites of a run.

    Args:
        sites: what is measured.
        figures: numbers of the whole step.
        more: further tensors that are there.
    """
    known = list(sites)
    found = dict.fromkeys(name for site in known for name in _tensors(site))
    found |= dict.fromkeys(more)
    by_node: dict[str, list[str]] = {}
    for name in found:
        by_node.setdefault(name.node, []).append(name.what)
    columns = {key: column for site in known for key, column in _columns(site)}
    missing = frozenset(_gradient(site) for site in known if _lacks_gradient(site))
    return Names(by_node, tuple(dict.fromkeys(figures)), columns, missing)


def names_of_survey(survey: Survey) -> Names:
    """What may be named of a step of a run, as far as its sites tell."""
    steps = (q for q in survey.quantities("steps") if q.dtype in ("float64", "int64"))
    return names_of(survey.sites, ["step", *(quantity.name for quantity in steps)])


def find(
    expression: Expression, reference: Reference, names: Names, node: str | None = None
) -> Figure | Tensors:
    """What a name stands for.

    Args:
        expression: what the name stands in, for messages.
        reference: the name.
        names: everything that may be named.
        node: the node that `output`, `kernel.grad` and so on are of, where no node is named.

    Raises:
        ExpressionError: it stands for nothing; the message names what is near.
    """
    head, *rest = reference.parts
    if not reference.quoted:
        own = () if node is None else names.tensors.get(node, ())
        if not rest and ALIASES.get(head, head) in names.figures:
            return Figure(ALIASES.get(head, head))
        if node is not None and any(what.split(".")[0] == head for what in own):
            return _of_nodes(expression, reference, names, [node], reference.parts, None)
    if not rest:
        raise _unknown_figure(expression, reference, names, node)
    if node is None and head not in names.tensors and _is_relative(head, names):
        raise _unknown_figure(expression, reference, names, node)
    nodes, over = _nodes(expression, reference, names)
    return _of_nodes(expression, reference, names, nodes, rest, over)


def find_all(
    expression: Expression, names: Names, node: str | None = None
) -> Iterator[Figure | Tensors]:
    """What all names of an expression stand for.

    Raises:
        ExpressionError: one stands for nothing.
    """
    for reference in expression.references():
        yield find(expression, reference, names, node)


def _nodes(
    expression: Expression, reference: Reference, names: Names
) -> tuple[list[str], Over | None]:
    head = reference.parts[0]
    if head in names.tensors:
        return [head], None
    if not reference.quoted and head in ("any", "all"):
        return list(names.tensors), "all" if head == "all" else "any"
    if any(char in head for char in "*?["):
        nodes = [name for name in names.tensors if fnmatchcase(name, head)]
        if not nodes:
            hint = "for a product write blanks around *" if "*" in head.strip("*") else None
            raise expression.error(f"no node matches {head!r}", reference.span, hint)
        return nodes, "any"
    near = suggest(head, names.tensors)
    listed = ", ".join(list(names.tensors)[:LISTED])
    more = ", ..." if len(names.tensors) > LISTED else ""
    raise expression.error(
        f"there is no node {head!r}", reference.span, near or f"there are: {listed}{more}"
    )


def _of_nodes(
    expression: Expression,
    reference: Reference,
    names: Names,
    nodes: Sequence[str],
    words: Sequence[str],
    over: Over | None,
) -> Tensors:
    """What words such as kernel.grad.rms stand for at these nodes, where they have it."""
    found: list[TensorName] = []
    statistic: str | None = None
    for node in nodes:
        name, own = _tensor(names, node, words)
        if name is not None:
            found.append(name)
            statistic = own
    if not found:
        raise _unknown_tensor(expression, reference, names, nodes, words)
    there = [name for name in found if name not in names.missing]
    if not there:
        raise expression.error(
            f"{found[0]} does not exist: the loss does not depend on it", reference.span
        )
    if over is not None and statistic is None:
        raise expression.error(
            f"{reference.text} is several tensors",
            reference.span,
            f"say what of each: {reference.text}.max",
        )
    return Tensors(tuple(there), statistic, over)


def _tensor(names: Names, node: str, words: Sequence[str]) -> tuple[TensorName | None, str | None]:
    """A tensor and its statistic; a tensor's own name goes before a statistic."""
    known = names.tensors[node]
    whole = ".".join(words)
    if whole in known:
        return TensorName(node, whole), None
    name, statistic = TensorName(node, ".".join(words[:-1])), words[-1]
    is_known = statistic in STATISTICS or (name, statistic) in names.columns
    return (name, statistic) if name.what in known and is_known else (None, None)


def _unknown_figure(
    expression: Expression, reference: Reference, names: Names, node: str | None
) -> Exception:
    word = reference.text
    if node is None and _is_relative(reference.parts[0], names) and word not in names.tensors:
        hint = "name its node (conv.output), or choose nodes"
        return expression.error(f"of which node is {word!r}?", reference.span, hint)
    if word in names.tensors:
        listed = ", ".join(f"{word}.{what}" for what in list(names.tensors[word])[:3])
        return expression.error(f"what of node {word!r}?", reference.span, f"such as {listed}")
    known = [*names.figures, *ALIASES]
    own = () if node is None else names.tensors.get(node, ())
    near = suggest(word, [*known, *own, *FUNCTIONS])
    place = "the step" if node is None else f"the step or of node {node!r}"
    listed = ", ".join([*own, *names.figures][:LISTED])
    return expression.error(
        f"{word!r} is no figure of {place}", reference.span, near or f"there are: {listed}, ..."
    )


def _is_relative(word: str, names: Names) -> bool:
    """Whether nodes have a tensor of that name."""
    return any(what.split(".")[0] == word for own in names.tensors.values() for what in own)


def _unknown_tensor(
    expression: Expression,
    reference: Reference,
    names: Names,
    nodes: Sequence[str],
    words: Sequence[str],
) -> Exception:
    """The tensor is not there, or it is and the statistic is not."""
    known = list(dict.fromkeys(what for node in nodes for what in names.tensors[node]))
    whom = f"node {nodes[0]!r} has" if len(nodes) == 1 else f"{len(nodes)} nodes have"
    if ".".join(words[:-1]) in known:
        near = suggest(words[-1], STATISTICS) or f"there are: {', '.join(STATISTICS)}"
        return expression.error(
            f"there is no statistic {words[-1]!r} of {'.'.join(words[:-1])}", reference.span, near
        )
    without = words[:-1] if len(words) > 1 and words[-1] in STATISTICS else words
    what = ".".join(without)
    near = suggest(what, known) or f"there are: {', '.join(known[:LISTED])}"
    return expression.error(f"{whom} no tensor {what!r}", reference.span, near)


def _base(site: Site) -> TensorName:
    """The tensor that a site is about."""
    if site.kind in ("output", "output_grad"):
        return output_name(site.node, site.port)
    if site.kind == "slot":
        return TensorName(site.node, f"{site.weight}.{site.slot}")
    return TensorName(site.node, site.weight or "mask")


def _gradient(site: Site) -> TensorName:
    return _base(site).grad


def _lacks_gradient(site: Site) -> bool:
    return site.kind in ("output_grad", "weight") and not site.connected


def _tensors(site: Site) -> tuple[TensorName, ...]:
    """The tensors that there are because of a site."""
    if site.kind == "steps":
        return ()
    base = _base(site)
    if site.kind == "output_grad":
        return (base.grad,)
    if site.kind == "weight":
        return (base, base.grad, base.update, base.after)
    if site.kind == "slot":
        return (base, base.before)
    if site.kind == "bn":
        names = BN_MOMENTS if site.connected else BN_MOMENTS[2:]
        return tuple(_bn_tensor(site, name) for name in names)
    return (base,)


def _bn_tensor(site: Site, moment: str) -> TensorName:
    """A statistic of batch normalisation; the moving ones go by their value before the step."""
    name = TensorName(site.node, moment.removesuffix("_before"))
    return name.after if moment in ("moving_mean", "moving_variance") else name


def _columns(site: Site) -> Iterator[tuple[tuple[TensorName, str], Column]]:
    """The statistics that a run records of a site, as they are called in an expression."""
    if site.kind == "steps":
        return
    for quantity in quantities(site.kind):
        if not quantity.vector:
            for key in _called(site, quantity.name):
                yield key, Column(site, quantity)


def _called(site: Site, quantity: str) -> Iterator[tuple[TensorName, str]]:
    base = _base(site)
    if site.kind == "bn":
        if quantity in BN_MOMENTS:
            yield _bn_tensor(site, quantity), "mean"
    elif site.kind == "output_grad":
        yield base.grad, quantity
    elif site.kind != "weight" or quantity == "update_ratio":
        yield base, quantity
    else:
        part = next(part for part in WEIGHT_PARTS if quantity.startswith(f"{part}_"))
        name = {"value": base, "grad": base.grad, "update": base.update}[part]
        yield name, quantity.removeprefix(f"{part}_")
