"""What the comparison of two models is made of: tensors, runners, rows and the answer.

Owns the frozen data and the protocol that every runtime fulfils; knows no runtime and compares
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from opgraph.parity.measures import Measures
from opgraph.record import Array

Shape = tuple[int | None, ...]
Verdict = Literal["equal", "differs", "fused", "absent"]


@dataclass(frozen=True)
class Tensor:
    """A value inside a model that can be read while it runs.

    Attributes:
        name: as its runtime calls it.
        kind: the operation that makes it, in the words of its runtime.
        reads: the tensors that this operation reads, without its weights.
        shape: None for an axis that is not known; None as a whole where nothing is known.
        dtype: of its elements.
        attributes: of the operation.
        weights: names of the weights that it reads.
        scale: of its quantisation; None where it is not quantised.
    """

    name: str
    kind: str
    reads: tuple[str, ...] = ()
    shape: Shape | None = None
    dtype: str = "float32"
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any], compare=False)
    weights: tuple[str, ...] = ()
    scale: float | None = None


class Runner(Protocol):
    """A model in a runtime."""

    @property
    def title(self) -> str:
        """The runtime and the file, for people."""
        ...

    @property
    def layers(self) -> bool:
        """Whether tensors are named by the layer that made them."""
        ...

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What is fed, in order."""
        ...

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """What can be read, in topological order; inputs among them."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the results."""
        ...

    def run(self, feeds: Mapping[str, Array], wanted: Sequence[str]) -> Iterator[tuple[str, Array]]:
        """The wanted tensors of one batch, one after the other."""
        ...

    def isolate(self, given: Mapping[str, Array], wanted: str) -> Array:
        """A tensor computed from other tensors of the model alone.

        Raises:
            ParityError: it depends on more than what is given.
        """
        ...

    def weight(self, name: str) -> Array:
        """A weight by its name."""
        ...


@dataclass(frozen=True)
class Cause:
    """What may have made a difference, and what speaks for it."""

    key: str
    evidence: str


@dataclass(frozen=True)
class Row:
    """A node of the first model beside its counterpart in the second.

    Attributes:
        node: the tensor in the first model.
        counterpart: the tensor in the second; None where it has none.
        found: how the two were matched: by name, by value, both, as results, or by what they
            read.
        axes: how the axes of the first are ordered in the second; None where alike.
        verdict: `fused` where the value is inside another operation of the second model.
        measures: how far they are apart.
        alone: how far they are apart when the second is fed the exact inputs of the first.
        limit: the tolerance in words.
    """

    node: Tensor
    counterpart: Tensor | None
    found: str
    verdict: Verdict
    axes: tuple[int, ...] | None = None
    measures: Measures | None = None
    alone: Measures | None = None
    alone_verdict: Verdict | None = None
    limit: str = ""


@dataclass(frozen=True)
class Comparison:
    """Two models side by side.

    Attributes:
        titles: of the two.
        rows: nodes of the first, in topological order.
        first: the first row that differs while all it reads is equal; None where nothing differs.
        inside: nodes between the last equal ones and `first` that have no counterpart.
        causes: what may have made the difference, the likeliest first.
        unmatched: tensors of the second model that have no counterpart.
        outputs: rows of the results.
        batches: how many were compared.
        examples: in all of them.
    """

    titles: tuple[str, str]
    rows: tuple[Row, ...]
    first: Row | None
    inside: tuple[str, ...]
    causes: tuple[Cause, ...]
    unmatched: tuple[str, ...]
    outputs: tuple[Row, ...]
    batches: int
    examples: int

    @property
    def equal(self) -> bool:
        """Whether everything that has a counterpart is equal within its tolerance."""
        return all(row.verdict != "differs" for row in self.rows)
