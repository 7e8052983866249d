"""Graphs to draw, and the audit of a scene: nothing overlaps, nothing leaves its place."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path as File
from types import ModuleType

import pytest

from opgraph.analysis import Analysis, analyze
from opgraph.render.layout import Point
from opgraph.render.scene import Group, Item, Path, Rect, Scene, Text
from opgraph.render.theme import TYPE
from opgraph.text import parse

GOLDEN = File(__file__).parent.parent / "golden" / "render"
EPSILON = 0.51

NETWORKS = {
    "residual": """
        x: Input(shape=(32, 32, 16))
        x -> conv1: Conv2D(filters=16, use_bias=false) -> bn1: BatchNormalization() -> relu1: ReLU()
        relu1 -> conv2: Conv2D(filters=16) -> bn2: BatchNormalization()
        bn2, x -> add: Add() -> relu2: ReLU()
    """,
    "two_inputs": """
        image: Input(shape=(64, 64, 3))
        meta: Input(shape=(12,))
        image -> conv: Conv2D(filters=16) -> pool: MaxPooling2D() -> gap: GlobalAveragePooling2D()
        meta -> fc: Dense(units=16) -> act: ReLU()
        gap, act -> add: Add()
        add -> head: Dense(units=5)
        add -> aux: Dense(units=2)
    """,
    "inception": """
        x: Input(shape=(28, 28, 64))
        x -> a1: Conv2D(filters=64, kernel_size=1)
        x -> b1: Conv2D(filters=48, kernel_size=1) -> b2: Conv2D(filters=64)
        x -> c1: Conv2D(filters=16, kernel_size=1) -> c2: Conv2D(filters=24)
        c2 -> c3: Conv2D(filters=32)
        x -> d1: MaxPooling2D(pool_size=3, strides=1, padding=same) -> d2: Conv2D(filters=32)
        a1, b2, c3, d2 -> cat: Concatenate()
        cat, cat -> twice: Add()
    """,
    "misfit": """
        x: Input(shape=(16, 16, 8))
        x -> a: Conv2D(filters=8)
        x -> b: Conv2D(filters=8, strides=2)
        a, b -> add: Add() -> relu: ReLU() -> gap: GlobalAveragePooling2D()
    """,
    "ports": """
        x: Input(shape=(20, 8))
        x -> lstm: LSTM(units=16, return_state=true)
        lstm -> out: Dense(units=4)
        lstm.1 -> state: Dense(units=4)
        lstm.2 -> carry: Dense(units=4)
        out, state, carry -> all: Add()
    """,
    "parts": """
        a: Input(shape=(4,))
        b: Input(shape=(4,))
        a -> a1: Dense(units=3) -> a2: ReLU()
        b -> b1: Dense(units=3) -> b2: ReLU()
    """,
}


@pytest.fixture(scope="session")
def generate() -> ModuleType:
    """The generator of large graphs that the benchmarks use."""
    return _module("generate", File(__file__).parents[2] / "benchmarks" / "generate.py")


@pytest.fixture(scope="session")
def recorded() -> ModuleType:
    """The module that writes a small run of arrays alone."""
    return _module("recorded", File(__file__).parent / "curves" / "recorded.py")


def _module(name: str, file: File) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def network() -> Callable[[str], Analysis]:
    """The analysis of one of the networks above, or of an edge list."""

    def build(name_or_text: str) -> Analysis:
        text = NETWORKS.get(name_or_text, name_or_text)
        name = name_or_text if name_or_text in NETWORKS else "graph"
        return analyze(parse(text, name))

    return build


@pytest.fixture(params=list(NETWORKS))
def any_network(request: pytest.FixtureRequest) -> Analysis:
    return analyze(parse(NETWORKS[request.param], request.param))


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the one on disk, or write that with `--rewrite-golden`."""

    def compare(name: str, text: str) -> None:
        file = GOLDEN / name
        if request.config.getoption("--rewrite-golden"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
        assert text == file.read_text(encoding="utf-8")

    return compare


@dataclass(frozen=True)
class Frame:
    """A rectangle in the coordinates of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Frame) -> bool:
        return (
            self.left + EPSILON < other.right
            and other.left + EPSILON < self.right
            and self.top + EPSILON < other.bottom
            and other.top + EPSILON < self.bottom
        )

    def holds(self, other: Frame) -> bool:
        return (
            self.left <= other.left + EPSILON
            and self.top <= other.top + EPSILON
            and other.right <= self.right + EPSILON
            and other.bottom <= self.bottom + EPSILON
        )


def text_frame(text: Text, at: Point) -> Frame:
    size = TYPE[text.kind][0]
    x, y = at.x + text.x, at.y + text.y
    return Frame(x, y - 0.75 * size, x + text.width, y + 0.22 * size)


def segment_frames(path: Path, at: Point) -> Iterator[Frame]:
    """The straight pieces of a line; a Bezier curve is followed in small steps."""
    points = list(curve_points(path.points)) if path.curved else list(path.points)
    for a, b in pairwise(points):
        yield Frame(
            at.x + min(a.x, b.x) - EPSILON,
            at.y + min(a.y, b.y) - EPSILON,
            at.x + max(a.x, b.x) + EPSILON,
            at.y + max(a.y, b.y) + EPSILON,
        )


def curve_points(points: tuple[Point, ...]) -> Iterator[Point]:
    yield points[0]
    for i in range(0, len(points) - 1, 3):
        a, b, c, d = points[i : i + 4]
        for step in range(1, 41):
            t = step / 40
            w = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            yield Point(
                w[0] * a.x + w[1] * b.x + w[2] * c.x + w[3] * d.x,
                w[0] * a.y + w[1] * b.y + w[2] * c.y + w[3] * d.y,
            )


@dataclass(frozen=True)
class Audit:
    """Everything in a scene that has a place, and the checks on it."""

    scene: Scene
    boxes: tuple[Frame, ...]
    paths: tuple[tuple[Path, Point, int], ...]
    labels: tuple[Frame, ...]
    groups: tuple[Group, ...]

    def check(self) -> None:
        self.check_boxes()
        self.check_texts()
        self.check_lines()
        self.check_labels()
        self.check_runs()

    def check_boxes(self) -> None:
        whole = Frame(0, 0, self.scene.width, self.scene.height)
        assert all(whole.holds(box) for box in self.boxes)
        for a, b in combinations(self.boxes, 2):
            assert not a.overlaps(b), f"boxes overlap: {a} {b}"

    def check_texts(self) -> None:
        for group in self.groups:
            rect = next(item for item in group.children if isinstance(item, Rect))
            box = Frame(0, 0, rect.width, rect.height)
            texts = [item for item in group.children if isinstance(item, Text)]
            frames = [text_frame(text, Point(0, 0)) for text in texts]
            for text, frame in zip(texts, frames, strict=True):
                assert box.holds(frame), f"{text} leaves its box {box}"
            for a, b in combinations(frames, 2):
                assert not a.overlaps(b), f"texts overlap: {texts}"

    def check_lines(self) -> None:
        whole = Frame(0, 0, self.scene.width, self.scene.height)
        for path, at, _ in self.paths:
            for piece in segment_frames(path, at):
                assert whole.holds(piece), f"{path} leaves the picture"
                for box in self.boxes:
                    inner = Frame(box.left + 1, box.top + 1, box.right - 1, box.bottom - 1)
                    assert not piece.overlaps(inner), f"{path} crosses {box}"

    def check_labels(self) -> None:
        for a, b in combinations(self.labels, 2):
            assert not a.overlaps(b), "labels overlap"
        for label in self.labels:
            assert not any(label.overlaps(box) for box in self.boxes), "a label is on a box"
            for path, at, _ in self.paths:
                pieces = segment_frames(path, at)
                assert not any(label.overlaps(piece) for piece in pieces), f"{path} on {label}"

    def check_runs(self) -> None:
        """Lines of different arrays cross, but never run along one another."""
        runs: dict[tuple[bool, float], list[tuple[float, float, int]]] = {}
        for path, at, net in self.paths:
            for a, b in pairwise(path.points):
                upright = a.x == b.x
                place = at.x + a.x if upright else at.y + a.y
                ends = sorted((a.y + at.y, b.y + at.y) if upright else (a.x + at.x, b.x + at.x))
                runs.setdefault((upright, place), []).append((ends[0], ends[1], net))
        for key, found in runs.items():
            for (a, b, one), (c, d, other) in combinations(found, 2):
                shared = min(b, d) - max(a, c)
                assert one == other or shared <= 1, f"two lines run along {key} for {shared}"


@pytest.fixture
def audit() -> Callable[[Scene], Audit]:
    return make_audit


def make_audit(scene: Scene) -> Audit:
    boxes: list[Frame] = []
    paths: list[tuple[Path, Point, int]] = []
    labels: list[Frame] = []
    groups: list[Group] = []

    def walk(item: Item, at: Point, inside: str, net: int = 0) -> None:
        if isinstance(item, Group):
            here = Point(at.x + item.at.x, at.y + item.at.y)
            kind = item.kind or inside
            if kind in ("node", "stub"):
                groups.append(item)
                rect = next(child for child in item.children if isinstance(child, Rect))
                x, y = here.x + rect.x, here.y + rect.y
                boxes.append(Frame(x, y, x + rect.width, y + rect.height))
                return
            for child in item.children:
                walk(child, here, kind, id(item))
        elif isinstance(item, Path):
            paths.append((item, at, net))
        elif isinstance(item, Text) and inside == "line":
            labels.append(text_frame(item, at))

    for item in scene.children:
        walk(item, Point(0, 0), "")
    return Audit(scene, tuple(boxes), tuple(paths), tuple(labels), tuple(groups))
