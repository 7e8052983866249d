"""Stills woven into one SVG: what is the same stands once, what changes changes by CSS.

Colours are key frames; texts that differ lie upon one another, and one at a time is seen. Without
animation, or where the reader wants less motion, the first still is what is seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from opgraph.render.film.stills import Film
from opgraph.render.heat import heat_colour, heat_ink
from opgraph.render.scale import NONE, ZERO
from opgraph.render.scene import Group, Item, Rect, Scene
from opgraph.render.svg import write_svg
from opgraph.render.theme import THEMES, Theme, ThemeName

HEAT = "box h-"
Versions = Mapping[int, Sequence[Item]]


@dataclass
class Motion:
    """What changes in a film.

    Attributes:
        levels: sequences of levels of colour, one a still, each with its number.
        spans: sets of stills in which something is seen, each with its number.
    """

    levels: dict[tuple[str, ...], int] = field(default_factory=dict[tuple[str, ...], int])
    spans: dict[tuple[int, ...], int] = field(default_factory=dict[tuple[int, ...], int])

    def level(self, levels: tuple[str, ...]) -> str:
        """The class of something whose colour goes through levels."""
        return f"k{self.levels.setdefault(levels, len(self.levels))}"

    def span(self, stills: Iterable[int]) -> str:
        """The class of something that is seen in some stills only."""
        return f"v{self.spans.setdefault(tuple(stills), len(self.spans))}"


def write_film(film: Film, theme: ThemeName = "light", *, paused: bool = False) -> str:
    """A film as one self-contained SVG that moves by CSS; the same bytes every time.

    Args:
        film: its scenes.
        theme: `light`, `dark` or `print`.
        paused: whether it waits for a script to move it.
    """
    motion = Motion()
    scene = woven(film.scenes, motion)

    def styles(root: str) -> str:
        rest = f"{film.seconds:g}s step-end infinite{' paused' if paused else ''}"
        still = "" if paused else _unmoved(root)
        return "".join([*_styles(film, motion, THEMES[theme], root, rest), still])

    return write_svg(scene, THEMES[theme], styles)


def write_stills(film: Film, theme: ThemeName = "light") -> Iterator[str]:
    """Each scene as an SVG of its own."""
    for scene in film.scenes:
        yield write_svg(scene, THEMES[theme])


def woven(scenes: Sequence[Scene], motion: Motion) -> Scene:
    """All scenes in one; what moves is noted in `motion`."""
    width = max(scene.width for scene in scenes)
    height = max(scene.height for scene in scenes)
    versions = {
        still: [item for item in scene.children if not _is_ground(item)]
        for still, scene in enumerate(scenes)
    }
    ground = Rect(0.0, 0.0, width, height, "background")
    children = (ground, *_Weaver(motion, len(scenes)).items(versions))
    return replace(scenes[0], width=width, height=height, children=children)


def _is_ground(item: Item) -> bool:
    return isinstance(item, Rect) and item.kind == "background"


@dataclass(frozen=True)
class _Weaver:
    motion: Motion
    count: int

    def items(self, versions: Versions) -> Iterator[Item]:
        """The items of all versions of a group, each once, in the order in which they appear."""
        found: dict[object, dict[int, Item]] = {}
        for still, items in versions.items():
            seen: dict[object, int] = {}
            for item in items:
                key = _key(item)
                seen[key] = seen.get(key, 0) + 1
                found.setdefault((key, seen[key]), {})[still] = item
        for same in found.values():
            item = self._item(same)
            yield item if len(same) == len(versions) else self._sometimes(item, same)

    def _item(self, same: Mapping[int, Item]) -> Item:
        first = next(iter(same.values()))
        if isinstance(first, Rect) and first.kind.startswith(HEAT):
            levels = self._levels(same)
            return replace(first, kind=f"{first.kind} {self.motion.level(levels)}")
        if not isinstance(first, Group) or all(item == first for item in same.values()):
            return self._resting(first)
        groups = {still: item for still, item in same.items() if isinstance(item, Group)}
        children = self.items({still: group.children for still, group in groups.items()})
        titles = [group.title or "" for group in groups.values()]
        return replace(first, children=tuple(children), title=_common(titles) or None)

    def _resting(self, item: Item) -> Item:
        """Something that never changes; boxes in it still have a class, for the ink on them."""
        if not isinstance(item, Group):
            return item
        return replace(item, children=tuple(self.items({0: item.children})))

    def _levels(self, same: Mapping[int, Item]) -> tuple[str, ...]:
        """The level in each still; where there is none, the one before."""
        levels: list[str] = []
        for still in range(self.count):
            item = same.get(still)
            known = item.kind.removeprefix(HEAT) if isinstance(item, Rect) else None
            levels.append(known or (levels[-1] if levels else NONE))
        return tuple(levels)

    def _sometimes(self, item: Item, same: Mapping[int, Item]) -> Group:
        return Group((item,), kind=self.motion.span(same))


def _key(item: Item) -> object:
    """What makes two items of different stills the same one."""
    if isinstance(item, Group):
        return "group", item.at, item.ident, item.kind
    if isinstance(item, Rect) and item.kind.startswith(HEAT):
        return replace(item, kind=HEAT)
    return item


def _common(titles: Sequence[str]) -> str:
    """The lines that all have at their beginning."""
    lines = [title.split("\n") for title in titles]
    kept: list[str] = []
    for row in zip(*lines, strict=False):
        if len(set(row)) > 1:
            break
        kept.append(row[0])
    return "\n".join(kept)


# Styles ------------------------------------------------------------------------------------------


def _unmoved(root: str) -> str:
    """Nothing moves for those who asked their system for less motion."""
    return f"@media (prefers-reduced-motion:reduce){{#{root} *{{animation:none!important}}}}\n"


def _styles(film: Film, motion: Motion, theme: Theme, root: str, time: str) -> Iterator[str]:
    for levels, number in motion.levels.items():
        ink = [f"fill:{heat_ink(theme, level)}" for level in levels]
        name = f"{root}-k{number}"
        yield from _moving(f"#{root} .k{number}", name, _looks(theme, levels), film.starts, time)
        texts = f"#{root} .k{number}~text,#{root} .k{number}~g text"
        yield f"{texts}{{{ink[0]}}}\n"
        yield from _moving(texts, f"{name}t", ink, film.starts, time)
    for stills, number in motion.spans.items():
        states = ["visible" if i in stills else "hidden" for i in range(len(film.steps))]
        looks = [f"visibility:{state}" for state in states]
        yield f"#{root} .v{number}{{{looks[0]}}}\n"
        yield from _moving(f"#{root} .v{number}", f"{root}-v{number}", looks, film.starts, time)


def _looks(theme: Theme, levels: Sequence[str]) -> list[str]:
    """Fill and, where some have no colour, border of a box for each of its levels."""
    bordered = {NONE, ZERO} & set(levels)
    return [_look(theme, level) if bordered else _fill(theme, level) for level in levels]


def _fill(theme: Theme, level: str) -> str:
    return f"fill:{heat_colour(theme, level)}"


def _look(theme: Theme, level: str) -> str:
    stroke = theme.edge if level in (NONE, ZERO) else theme.border
    dashes = "4 3" if level == NONE else "none"
    return f"{_fill(theme, level)};stroke:{stroke};stroke-dasharray:{dashes}"


def _moving(
    selector: str, name: str, looks: Sequence[str], starts: Sequence[float], time: str
) -> Iterator[str]:
    """The animation of what goes through several looks."""
    if len(set(looks)) == 1:
        return
    changes = [0, *(i for i, (a, b) in enumerate(pairwise(looks), 1) if a != b)]
    frames = "".join(f"{100 * starts[i]:.4g}%{{{looks[i]}}}" for i in changes)
    yield f"@keyframes {name}{{{frames}}}\n"
    yield f"{selector}{{animation:{name} {time}}}\n"
