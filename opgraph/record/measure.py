"""Which quantities are measured at which steps and sites.

Owns presets and their schedules, and reading what a user asks for; must not know how anything is
measured or written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from opgraph.errors import TraceError, suggest
from opgraph.graph import matching
from opgraph.record.quantities import QUANTITIES, Quantity, SiteKind


@dataclass(frozen=True)
class Schedule:
    """At which steps something is measured: the first ones, then every so many (0: no more).

    >>> [step for step in range(1, 25) if Schedule(every=10, first=2).is_due(step)]
    [1, 2, 10, 20]
    """

    every: int = 1
    first: int = 1

    def is_due(self, step: int) -> bool:
        """Whether it is measured at a step, from 1."""
        return step <= self.first or (self.every > 0 and step % self.every == 0)

    def as_dict(self) -> dict[str, int]:
        """The same as plain data."""
        return {"every": self.every, "first": self.first}


EVERY_STEP = Schedule()
CHANNELS = ("*.channel_*", "bn.*_channels")
HISTOGRAMS = ("*.*histogram",)
_NORMS = ("output.norm", "output_grad.norm", "weight.*_norm", "weight.update_ratio")
_MEASURED = tuple(quantity for quantity in QUANTITIES if quantity.kind != "steps")

# Each preset: globs over `kind.quantity`, later ones win.
PRESETS: Mapping[str, tuple[tuple[str, Schedule], ...]] = {
    "off": (),
    "norms": tuple((glob, EVERY_STEP) for glob in _NORMS),
    "default": (
        ("*", EVERY_STEP),
        ("output_grad.*", Schedule(every=10)),
        ("slot.*", Schedule(every=10)),
        *((glob, Schedule(every=50)) for glob in CHANNELS),
        *((glob, Schedule(every=100)) for glob in HISTOGRAMS),
    ),
    "full": (
        ("*", EVERY_STEP),
        *((glob, Schedule(every=10)) for glob in CHANNELS),
        *((glob, Schedule(every=50)) for glob in HISTOGRAMS),
    ),
}
_WORD = re.compile(r"(?P<glob>[^:\s]+)\s*:\s*(?P<rest>.+)")


@dataclass(frozen=True)
class Measure:
    """What is measured, when, and where.

    Attributes:
        preset: the preset it began with.
        schedules: by full name of a quantity (`output.rms`); what is not there is not measured.
        sites: glob over nodes and `node/weight`; None for all.
    """

    preset: str
    schedules: Mapping[str, Schedule]
    sites: str | None = None

    def quantities(self, kind: SiteKind) -> tuple[Quantity, ...]:
        """What is measured at one kind of site, in column order."""
        chosen = (q for q in _MEASURED if q.kind == kind)
        return tuple(q for q in chosen if q.full_name in self.schedules)

    def is_due(self, quantity: Quantity, step: int) -> bool:
        """Whether a quantity is measured at a step."""
        return quantity.kind == "steps" or self.schedules[quantity.full_name].is_due(step)

    @cached_property
    def at_every_step(self) -> frozenset[str]:
        """Full names of what is measured at every step."""
        return frozenset(name for name, when in self.schedules.items() if when.every == 1)

    @property
    def has_more(self) -> bool:
        """Whether some steps measure more than every step does."""
        return len(self.at_every_step) < len(self.schedules)

    def is_whole(self, step: int) -> bool:
        """Whether a step measures more than every step does."""
        due = (when.is_due(step) for when in self._rare)
        return any(due)

    @cached_property
    def _rare(self) -> tuple[Schedule, ...]:
        found = (when for when in self.schedules.values() if when.every != 1)
        return tuple(dict.fromkeys(found))

    def covers(self, *names: str) -> bool:
        """Whether a site that goes by any of these names is measured."""
        return self.sites is None or bool(matching(self.sites, names))

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for `run.json`."""
        plain = {name: when.as_dict() for name, when in self.schedules.items()}
        return {"preset": self.preset, "sites": self.sites, "quantities": plain}


def measure_from(data: Mapping[str, Any]) -> Measure:
    """What `Measure.as_dict` said."""
    schedules = {name: Schedule(**when) for name, when in data["quantities"].items()}
    return Measure(data["preset"], schedules, data["sites"])


def parse_measure(words: str | Sequence[str] = "default", sites: str | None = None) -> Measure:
    """Read what a user wants measured.

    Args:
        words: a preset (`off`, `norms`, `default`, `full`), and changes to it such as
            `*.histogram:every=20,first=5`, `bn.*:off`, `output.zero_fraction:every=10`.
        sites: glob over nodes and weights (`node/weight`), several joined by commas.

    Raises:
        TraceError: no such preset or quantity, or a schedule that cannot be read.

    >>> parse_measure(["norms", "output.max:every=10"]).schedules["output.max"]
    Schedule(every=10, first=1)
    """
    given = [words] if isinstance(words, str) else list(words)
    presets = [word for word in given if ":" not in word]
    if len(presets) > 1:
        raise TraceError(f"several presets: {', '.join(presets)}", where="measure")
    measure = _preset(presets[0] if presets else "default")
    schedules = dict(measure.schedules)
    for word in given:
        if ":" in word:
            _change(schedules, word)
    ordered = {q.full_name: schedules[q.full_name] for q in _MEASURED if q.full_name in schedules}
    return replace(measure, schedules=ordered, sites=sites)


def _preset(name: str) -> Measure:
    if name not in PRESETS:
        if any(fnmatchcase(quantity.full_name, name) for quantity in _MEASURED):
            raise TraceError(
                f"{name!r} says no schedule", where="measure", hint=f"write {name}:every=10"
            )
        raise TraceError(
            f"expected one of {', '.join(PRESETS)}, received {name!r}",
            where="measure",
            hint=suggest(name, PRESETS),
        )
    schedules: dict[str, Schedule] = {}
    for glob, when in PRESETS[name]:
        schedules |= dict.fromkeys(_named(glob), when)
    return Measure(name, schedules)


def _change(schedules: dict[str, Schedule], word: str) -> None:
    found = _WORD.fullmatch(word.strip())
    if found is None:
        raise TraceError(
            f"cannot read {word!r}", where="measure", hint="write output.max:every=10,first=5"
        )
    names = _named(found["glob"])
    if not names:
        known = [quantity.full_name for quantity in _MEASURED]
        raise TraceError(
            f"no quantity matches {found['glob']!r}",
            where="measure",
            hint=suggest(found["glob"], known) or "names are kind.quantity, as in output.rms",
        )
    if found["rest"].strip() == "off":
        for name in names:
            schedules.pop(name, None)
        return
    schedules.update(dict.fromkeys(names, _schedule(found["rest"], word)))


def _schedule(text: str, word: str) -> Schedule:
    values: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name not in ("every", "first") or not number.isdecimal():
            raise TraceError(
                f"cannot read {part.strip()!r} in {word!r}",
                where="measure",
                hint="a schedule is every=N, first=N or off",
            )
        values[name] = int(number)
    if values.get("every") == 0:
        raise TraceError(f"every=0 in {word!r}", where="measure", hint="off measures never")
    return Schedule(**{"every": 0, **values})


def _named(glob: str) -> list[str]:
    return [q.full_name for q in _MEASURED if fnmatchcase(q.full_name, glob)]
