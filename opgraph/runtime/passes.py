"""Which tensors of a step are read together, so that each is read once or not at all.

Owns the choice of passes; must not know how a tensor is reduced, or what is done with the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opgraph.record import Site
from opgraph.runtime.relations import (
    Affine,
    Gated,
    Scattered,
    affine,
    gated,
    pooled_gate,
    rectified,
    same_numbers,
    scattered,
)

Tensor = Any
Rows = tuple[Site | None, ...]


@dataclass(frozen=True)
class Pass:
    """One reading, and the sites whose numbers it gives, one row each; None for nobody's.

    Attributes:
        rows: the sites.
        source: what is read: a tensor, alone or for what is made of it.
        affine: of a batch normalisation whose output is one of the rows.
        gate: of the gradient of a relu; rows are gate, gradient, gradient with zeros, what the
            relu hands back.
        zeros: how many zeros the last two rows have on top.
    """

    rows: Rows
    source: Tensor
    affine: Affine | None = None
    gate: Tensor | None = None
    zeros: int = 0


@dataclass(frozen=True)
class Plan:
    """All passes, and the sites that have the numbers of others.

    Attributes:
        passes: in the order of their first site.
        shared: pairs of a site and the one whose numbers it has.
    """

    passes: tuple[Pass, ...]
    shared: tuple[tuple[Site, Site], ...]


def plan_passes(tensors: Mapping[Site, Tensor], *, together: bool = True) -> Plan:
    """Decide which tensors are read together.

    Args:
        tensors: what is to be measured.
        together: whether several tensors can be had in one reading; if not, only those that have
            the same numbers are found.
    """
    planner = _Planner()
    planner.note(tensors)
    if together:
        planner.note_sources()
        planner.plan_gates()
        planner.plan_chains()
    planner.plan_rest()
    return Plan(tuple(planner.passes), tuple(planner.shared))


@dataclass
class _Planner:
    """What is left to plan; tensors are known by their references."""

    left: dict[Any, Site] = field(default_factory=dict[Any, Site])
    shared: list[tuple[Site, Site]] = field(default_factory=list[tuple[Site, Site]])
    passes: list[Pass] = field(default_factory=list[Pass])
    sources: set[Any] = field(default_factory=set[Any])
    affines: dict[Any, tuple[Any, Affine]] = field(default_factory=dict[Any, Any])
    relus: dict[Any, Any] = field(default_factory=dict[Any, Any])

    def note(self, tensors: Mapping[Site, Tensor]) -> None:
        known: dict[Any, Site] = {}
        for site, tensor in tensors.items():
            known.setdefault(tensor.ref(), site)
        for site, tensor in tensors.items():
            same = same_numbers(tensor, known.keys())
            owner = known[tensor.ref() if same is None else same.ref()]
            if owner is site:
                self.left[tensor.ref()] = site
            else:
                self.shared.append((site, owner))

    def note_sources(self) -> None:
        """What can be had while something else is read: one of a kind for each source."""
        for ref in self.left:
            tensor = ref.deref()
            found = affine(tensor)
            if found is not None and found.source.ref() in self.left:
                self.affines.setdefault(found.source.ref(), (ref, found))
            source = rectified(tensor)
            if source is not None and source.ref() in self.left:
                self.relus.setdefault(source.ref(), ref)
        made = {ref for ref, _ in self.affines.values()} | set(self.relus.values())
        self.sources = {ref for ref in (*self.affines, *self.relus) if ref not in made}

    def plan_gates(self) -> None:
        for ref in tuple(self.left):
            found = gated(ref.deref())
            if found is not None and ref in self.left and found.grad.ref() in self.left:
                self._gate(ref, found)
        for ref in tuple(self.left):
            found = scattered(ref.deref())
            if found is not None and found.grad.ref() in self.left:
                self._scatter(self._take(ref), None, found)

    def _gate(self, ref: Any, found: Gated) -> None:
        pool = pooled_gate(found)
        if pool is not None and pool.grad.ref() in self.left:
            self._scatter(self._take(found.grad.ref()), self._take(ref), pool)
            return
        gate = None if self._in_chain(found.gate) else self._take(found.gate.ref())
        grad, back = self._take(found.grad.ref()), self._take(ref)
        self.passes.append(Pass((gate, grad, None, back), found.grad, gate=found.gate))

    def _scatter(self, whole: Site | None, back: Site | None, pool: Scattered) -> None:
        gate = None if self._in_chain(pool.pooled) else self._take(pool.pooled.ref())
        rows = (gate, self._take(pool.grad.ref()), whole, back)
        self.passes.append(Pass(rows, pool.grad, gate=pool.pooled, zeros=pool.zeros))

    def _in_chain(self, tensor: Tensor) -> bool:
        """Whether a tensor is read, or can be had, in a pass of outputs."""
        ref = tensor.ref()
        made = (*(made for made, _ in self.affines.values()), *self.relus.values())
        return ref in self.sources or ref in made

    def plan_chains(self) -> None:
        for ref in tuple(self.left):
            if ref not in self.sources or ref not in self.left:
                continue
            made, found = self.affines.get(ref, (None, None))
            relu = self.relus.get(ref if made is None else made)
            rows = [self._take(ref)]
            rows += [] if made is None else [self._take(made)]
            rows += [] if relu is None else [self._take(relu)]
            self.passes.append(Pass(tuple(rows), ref.deref(), found))

    def plan_rest(self) -> None:
        for ref in tuple(self.left):
            self.passes.append(Pass((self._take(ref),), ref.deref()))

    def _take(self, ref: Any) -> Site | None:
        return self.left.pop(ref, None)
