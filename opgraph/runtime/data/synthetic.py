"""Data made up for tests and trials: they can be learned, and are the same everywhere.

Owns the kinds of made-up data. All are built from random words by exact arithmetic (sums, products,
triangle waves; no sine, no normal distribution of NumPy), so their bits do not depend on a version.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from opgraph.errors import DataError, suggest
from opgraph.ops import Shape
from opgraph.runtime.data.memory import require_memory
from opgraph.runtime.data.order import uniform
from opgraph.runtime.data.result import (
    Array,
    DataFacts,
    Found,
    Part,
    Request,
    TargetSpec,
    Wanted,
)

EXAMPLES, MOST_EXAMPLES = 1000, 10_000_000
CLASSES = 10
UNSAID = 16
VOCABULARY = 1000
NUMBERS = "regression"
LABEL_STREAM = 1 << 32
Maker = Callable[[Wanted, Array, int, int, int], Array]


def read(request: Request) -> Found:
    """Made-up examples of every class, as many of each.

    Raises:
        DataError: there is no such kind, or it does not fit an input or an output.
    """
    kind, size = _parse(request)
    shapes = [_shape(wanted.shape) for wanted in request.wanted]
    require_memory(request, size, list(shapes))
    if kind == NUMBERS:
        inputs = tuple(
            _scattered(wanted, size, request.seed, 2 * number)
            for number, wanted in enumerate(request.wanted)
        )
        labels = tuple(_measure(request, inputs[0], i) for i in range(len(request.targets)))
        facts = {"title": f"made up: {kind}, {size} examples"}
        return _found(request, inputs, labels, facts)
    classes = max(
        (t.num_classes or CLASSES for t in request.targets if t.kind == "classes"), default=CLASSES
    )
    ids = np.arange(size) % classes
    inputs = tuple(
        KINDS[kind](wanted, ids, classes, request.seed, 2 * number)
        for number, wanted in enumerate(request.wanted)
    )
    labels = tuple(
        _measure(request, inputs[0], i) if t.kind == "numbers" else _answers(t, ids, i)
        for i, t in enumerate(request.targets)
    )
    facts = {"title": f"made up: {kind}, {size} examples of {classes} classes"}
    return _found(request, inputs, labels, facts)


def _found(
    request: Request, inputs: tuple[Array, ...], labels: tuple[Array, ...], facts: dict[str, str]
) -> Found:
    places = (request.spec,) * len(inputs), (request.spec,) * len(labels)
    notes = tuple({"kind": "made up", "divided_by": 1.0} for _ in inputs)
    return Found(Part(inputs, labels, *places), None, notes, (), facts)


def _answers(target: TargetSpec, ids: Array, number: int) -> Array:
    """Class ids or flags that follow from the class an example was made for, and from the place."""
    shape = _shape(target.label_shape)
    places = np.arange(math.prod(shape)).reshape(shape)
    own = ids.reshape(-1, *(1,) * len(shape)) + number + places
    if target.kind == "flags":
        return own % (2 + places % 3) == 0
    return own % (target.num_classes or CLASSES)


def _measure(request: Request, inputs: Array, number: int) -> Array:
    """Numbers that follow from four numbers of the input, with a little noise.

    The first two count as they are (with weights of about 1), the other two by their product.
    """
    target = request.targets[number]
    if target.kind != "numbers":
        raise DataError(
            f"makes numbers, but output {target.output!r} is compared with {target.kind}",
            where=request.spec,
            node=target.output or None,
            hint="synthetic:mixed makes labels of any kind",
        )
    shape, seed, stream = _shape(target.label_shape), request.seed, LABEL_STREAM + 4 * number
    count = math.prod(shape)
    rows = inputs.reshape(len(inputs), -1)
    chosen = np.floor(uniform(seed, stream, (4, count)) * rows.shape[1]).astype(np.int64)
    weights = 0.5 + uniform(seed, stream + 1, (2, count))
    first, second, third, fourth = (rows[:, place].astype(np.float64) for place in chosen)
    signal = weights[0] * first - weights[1] * second + 0.5 * (third * fourth)
    noise = 0.05 * _noise((len(rows), count), seed, stream + 2)
    return (signal + noise).reshape(-1, *shape)


def _scattered(wanted: Wanted, size: int, seed: int, stream: int) -> Array:
    """Numbers spread evenly between -1 and 1."""
    _require_fractions(wanted, NUMBERS)
    return (2.0 * uniform(seed, stream, (size, *_shape(wanted.shape))) - 1.0).astype(np.float32)


def peek(argument: str) -> DataFacts:
    """Nothing: shapes and classes are those of the network; tokens are whole numbers."""
    kind = _known(argument.partition(":")[0], f"synthetic:{argument}")
    if kind == NUMBERS:
        return DataFacts(None, None, "float32", "numbers")
    return DataFacts(None, None, "int32" if kind == "tokens" else "float32")


def _parse(request: Request) -> tuple[str, int]:
    kind, _, count = request.argument.partition(":")
    _known(kind, request.spec)
    if not count:
        return kind, EXAMPLES
    if not (count.isascii() and count.isdigit() and 0 < int(count[:12]) <= MOST_EXAMPLES):
        raise DataError(
            f"expected a number of examples from 1 to {MOST_EXAMPLES:,} after the kind,"
            f" received {count!r}",
            where=request.spec,
        )
    return kind, int(count)


def _known(kind: str, spec: str) -> str:
    kinds = (*KINDS, NUMBERS)
    if kind in kinds:
        return kind
    near = suggest(kind, kinds)
    known = f"kinds: {', '.join(kinds)}; synthetic:blobs:200 makes 200 examples"
    problem = f"no synthetic data of kind {kind!r}"
    raise DataError(problem, where=spec, hint=f"{near} {known}" if near else known)


def _shape(shape: Shape) -> tuple[int, ...]:
    return tuple(UNSAID if dim is None else dim for dim in shape)


def _noise(shape: tuple[int, ...], seed: int, stream: int) -> Array:
    """Nearly normal noise of variance 1: the sum of four uniform numbers (Irwin-Hall), scaled."""
    four = uniform(seed, stream, (4, *shape)).sum(axis=0)
    return (four - 2.0) * math.sqrt(3.0)


def _triangle(phase: Array) -> Array:
    """A wave of period 1 between -1 and 1."""
    return 4.0 * np.abs(phase - np.floor(phase + 0.5)) - 1.0


def _blobs(wanted: Wanted, labels: Array, classes: int, seed: int, stream: int) -> Array:
    """A cloud around a random point for each class; fits any shape."""
    _require_fractions(wanted, "blobs")
    shape = _shape(wanted.shape)
    centres = 4.0 * uniform(seed, stream, (classes, *shape)) - 2.0
    return (centres[labels] + 0.5 * _noise((len(labels), *shape), seed, stream + 1)).astype("f4")


def _images(wanted: Wanted, labels: Array, classes: int, seed: int, stream: int) -> Array:
    """Stripes between 0 and 1; the class decides their direction and width."""
    _require_fractions(wanted, "images")
    shape = _shape(wanted.shape)
    if len(shape) != 3:
        raise _misfit(wanted, "images", "(height, width, channels)")
    height, width, channels = shape
    turn = (labels / (2 * classes))[:, None, None]
    across, down = _triangle(turn), _triangle(turn + 0.25)
    rows = (np.arange(height) / height)[:, None]
    columns = (np.arange(width) / width)[None, :]
    periods = (2 + labels % 3)[:, None, None]
    start = uniform(seed, stream, (len(labels), 1, 1)) / 4
    stripes = _triangle(periods * (across * columns + down * rows) + start)[..., None]
    noise = uniform(seed, stream + 1, (len(labels), height, width, channels))
    return (0.3 * (stripes + 1.0) + 0.4 * noise).astype(np.float32)


def _sequences(wanted: Wanted, labels: Array, classes: int, seed: int, stream: int) -> Array:
    """Waves over time with noise; the class decides how fast they swing."""
    _require_fractions(wanted, "sequences")
    shape = _shape(wanted.shape)
    if len(shape) != 2:
        raise _misfit(wanted, "sequences", "(steps, numbers)")
    steps, numbers = shape
    speed = (1 + labels) * 0.45 / classes
    start = uniform(seed, stream, (len(labels), 1, numbers))
    wave = _triangle(speed[:, None, None] * np.arange(steps)[None, :, None] + start)
    noise = _noise((len(labels), steps, numbers), seed, stream + 1)
    return (wave + 0.2 * noise).astype(np.float32)


def _tokens(wanted: Wanted, labels: Array, classes: int, seed: int, stream: int) -> Array:
    """Numbers of words; half of them are from a range that belongs to the class."""
    shape = _shape(wanted.shape)
    if len(shape) != 1:
        raise _misfit(wanted, "tokens", "(steps,)")
    words = wanted.vocabulary or VOCABULARY
    if words < classes:
        raise DataError(
            f"{words} tokens cannot tell {classes} classes apart",
            where=f"input {wanted.name!r}",
            node=wanted.name,
            hint="give the Embedding a larger input_dim",
        )
    draw = uniform(seed, stream, (len(labels), *shape))
    own = uniform(seed, stream + 1, (len(labels), *shape)) < 0.5
    share = words // classes
    of_class = labels[:, None] * share + np.floor(draw * share)
    return np.where(own, of_class, np.floor(draw * words)).astype(np.int64)


def _require_fractions(wanted: Wanted, kind: str) -> None:
    if wanted.is_integer:
        raise DataError(
            f"asks for {wanted.dtype}, but synthetic:{kind} makes fractions",
            where=f"input {wanted.name!r}",
            node=wanted.name,
            hint="synthetic:tokens makes whole numbers",
        )


def _misfit(wanted: Wanted, kind: str, form: str) -> DataError:
    return DataError(
        f"has shape {wanted.shape}, but synthetic:{kind} fits {form}",
        where=f"input {wanted.name!r}",
        node=wanted.name,
        hint="synthetic:blobs fits any shape",
    )


def _suited(wanted: Wanted, labels: Array, classes: int, seed: int, stream: int) -> Array:
    """What suits each input: tokens, images, sequences or blobs."""
    by_rank = {3: _images, 2: _sequences}
    maker = _tokens if wanted.is_integer else by_rank.get(len(wanted.shape), _blobs)
    return maker(wanted, labels, classes, seed, stream)


KINDS: dict[str, Maker] = {
    "blobs": _blobs,
    "images": _images,
    "sequences": _sequences,
    "tokens": _tokens,
    "mixed": _suited,
}
