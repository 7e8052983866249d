"""Which tensor of the second model stands for a tensor of the first.

Owns the order of the evidence: a name that is confirmed by value, a value alone, what a tensor
reads, a name alone. Runs nothing: it is handed fingerprints of one batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from opgraph.parity.model import Runner, Tensor
from opgraph.parity.names import common_scope, layers_of, members
from opgraph.record import Array

CLOSE = 1e-3


@dataclass(frozen=True)
class Fingerprint:
    """What stays the same when axes are reordered: the number of elements and sums over them."""

    shape: tuple[int, ...]
    mean: float
    rms: float
    low: float
    high: float

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    def like(self, other: Fingerprint, tolerance: float = CLOSE) -> bool:
        """Whether two tensors may be the same one."""
        if _sizes(self.shape) != _sizes(other.shape):
            return False
        scale = tolerance * max(self.rms, other.rms, 1e-12)
        pairs = ((self.mean, other.mean), (self.rms, other.rms))
        ends = ((self.low, other.low), (self.high, other.high))
        return all(abs(a - b) <= scale for a, b in pairs) and all(
            abs(a - b) <= 10 * scale for a, b in ends
        )


def _sizes(shape: tuple[int, ...]) -> list[int]:
    """Lengths of the axes in any order; an axis of one element says nothing."""
    return sorted(axis for axis in shape if axis != 1)


def fingerprint(array: Array) -> Fingerprint:
    """The fingerprint of one batch of a tensor; NaN and infinities are left out."""
    values = np.asarray(array, np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Fingerprint(values.shape, 0.0, 0.0, 0.0, 0.0)
    rms = float(np.sqrt((finite * finite).mean()))
    return Fingerprint(
        values.shape, float(finite.mean()), rms, float(finite.min()), float(finite.max())
    )


@dataclass(frozen=True)
class Match:
    """A tensor of the second model and what speaks for it; `fused` names where it went."""

    name: str | None
    found: str
    fused: str | None = None


@dataclass
class Matcher:
    """Matches the tensors of the first model one by one, in topological order."""

    left: Runner
    right: Runner
    prints: tuple[Mapping[str, Fingerprint], Mapping[str, Fingerprint]]
    pairs: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        self._place = {name: i for i, name in enumerate(self.right.tensors)}
        self._order = {name: i for i, name in enumerate(self.left.tensors)}
        self._paths = {path: name for name in self.left.tensors for path in members(name)[:1]}
        self._named = self._by_name()

    def match(self) -> dict[str, Match]:
        """The counterparts of all tensors of the first model; `pairs` holds those that have one.

        What the values prove comes first, so that a tensor that differs cannot take the place of
        one that does not.
        """
        found = {n: m for n, t in self.left.tensors.items() if (m := self._sure(t))}
        for name, tensor in self.left.tensors.items():
            if name not in found:
                found[name] = self._keep(name, self._likely(tensor))
        return {name: found[name] for name in self.left.tensors}

    def _keep(self, name: str, match: Match) -> Match:
        if match.name is not None:
            self.pairs[name] = match.name
        return match

    def _sure(self, tensor: Tensor) -> Match | None:
        """A counterpart with the same values."""
        mine = self.prints[0].get(tensor.name)
        if mine is None:
            return Match(None, "cannot be read")
        named, _ = self._named.get(tensor.name, ([], None))
        alike = [n for n in named if mine.like(self.prints[1][n])]
        if alike:
            return self._keep(tensor.name, Match(alike[-1], "name and value"))
        by_value = [n for n in self._unused() if mine.like(self.prints[1][n])]
        if by_value:
            best = max(by_value, key=lambda n: (common_scope(tensor.name, n), -self._place[n]))
            return self._keep(tensor.name, Match(best, "value"))
        passed = self._passed_on(tensor, mine)
        return self._keep(tensor.name, Match(passed, "passes on")) if passed else None

    def _passed_on(self, tensor: Tensor, mine: Fingerprint) -> str | None:
        """The counterpart of what a tensor only hands on, such as a dropout in inference."""
        if len(tensor.reads) != 1 or not mine.like(self.prints[0][tensor.reads[0]], 0.0):
            return None
        return self.pairs.get(tensor.reads[0])

    def _likely(self, tensor: Tensor) -> Match:
        """A counterpart whose values differ."""
        mine = self.prints[0][tensor.name]
        named, fused = self._named.get(tensor.name, ([], None))
        fitting = [n for n in named if self._fits(mine, n)]
        if fitting:
            return Match(fitting[-1], "name")
        if fused is not None:
            return Match(None, "fused", fused)
        passed = self._passed_on(tensor, mine)
        if passed:
            return Match(passed, "passes on")
        result = self._as_result(tensor, mine)
        if result is not None:
            return Match(result, "result")
        reading = self._by_reading(tensor, mine)
        return Match(reading, "what it reads") if reading else Match(None, "nothing")

    def _as_result(self, tensor: Tensor, mine: Fingerprint) -> str | None:
        """The result of the second model in the same place, where nothing else speaks."""
        pairs = dict(zip(self.left.outputs, self.right.outputs, strict=False))
        name = pairs.get(tensor.name)
        free = name in self.prints[1] and name not in set(self.pairs.values())
        return name if name is not None and free and self._fits(mine, name) else None

    def _fits(self, mine: Fingerprint, name: str) -> bool:
        return mine.size == self.prints[1][name].size

    def _unused(self) -> list[str]:
        taken = set(self.pairs.values())
        return [name for name in self.prints[1] if name not in taken]

    def _by_name(self) -> dict[str, tuple[list[str], str | None]]:
        """Of each tensor of the first those of the second that speak of it, and where it went.

        A tensor that lists several has the value of the last of them.
        """
        found: dict[str, tuple[list[str], str | None]] = {}
        for name in self.prints[1]:
            spoken = sorted(self._spoken_of(name), key=lambda one: self._order[one])
            for one in spoken:
                listed, fused = found.get(one, ([], None))
                if one == spoken[-1]:
                    listed = [*listed, name]
                else:
                    fused = name
                found[one] = (listed, fused)
        return found

    def _spoken_of(self, name: str) -> list[str]:
        """Tensors of the first model that the name of one of the second lists."""
        if self.left.layers:
            return layers_of(name, self._order)
        return list(dict.fromkeys(self._paths[m] for m in members(name) if m in self._paths))

    def _by_reading(self, tensor: Tensor, mine: Fingerprint) -> str | None:
        """A tensor of the same size that is made from the counterparts of what this one reads."""
        sources = {self.pairs.get(name) for name in tensor.reads}
        if None in sources or not sources:
            return None
        unused = set(self._unused())
        reached = [n for n in self._behind({s for s in sources if s}) if n in unused]
        fitting = [n for n in reached if self._fits(mine, n)]
        return fitting[0] if fitting else None

    def _behind(self, sources: set[str]) -> Iterable[str]:
        """Tensors that are made from these and no other counterpart, in order."""
        known = set(self.pairs.values())
        reached = set(sources)
        for name, tensor in self.right.tensors.items():
            if name in known or name in reached or not tensor.reads:
                continue
            if any(source in reached for source in tensor.reads):
                reached.add(name)
                yield name
