"""What a training is fed with: frozen results, no reading and no checking.

Owns the shapes of the answers (`Data`, `Split`, `DataFacts`) and of what travels between the
modules of this package (`Wanted`, `Request`, `Part`, `Found`); must not know any source of data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from opgraph.errors import DataError
from opgraph.ops import Shape

Array = NDArray[Any]
InputSpec = tuple[str, Shape, str | None]
Kind = Literal["classes", "numbers", "flags"]
GIGABYTE = 1 << 30
MOST_BYTES = 4 * GIGABYTE


@dataclass(frozen=True, slots=True)
class Target:
    """What one output of the network is compared with.

    Attributes:
        output: name of the node; empty until the network says.
        kind: class ids (int32), numbers (float32), or flags: several yes-or-no answers (float32,
            0 or 1).
        shape: of one example's label: () for one class id, (3,) for three numbers.
        num_classes: number of classes that ids are drawn from; None for numbers and flags.
        class_names: one name for each class; for flags one for each flag, where they are known.
    """

    output: str
    kind: Kind
    shape: Shape
    num_classes: int | None = None
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """What an output of the network asks of its labels.

    Attributes:
        output: name of the node; empty where it does not matter.
        kind: classes, numbers or flags.
        shape: of the output for one example, its last axis being the scores of classes; None for a
            dimension that the data decide.
    """

    output: str
    kind: Kind
    shape: Shape

    @property
    def num_classes(self) -> int | None:
        """Number of classes that the output tells apart; one score tells two apart."""
        if self.kind != "classes":
            return None
        scores = self.shape[-1] if self.shape else 1
        return 2 if scores == 1 else scores

    @property
    def label_shape(self) -> Shape:
        """Shape of one example's label: a class id for each row of scores, else as the output.

        >>> TargetSpec("tags", "classes", (12, 5)).label_shape
        (12,)
        >>> TargetSpec("price", "numbers", (1,)).label_shape
        (1,)
        """
        return self.shape[:-1] if self.kind == "classes" else self.shape


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Examples to train on or to test on.

    Attributes:
        inputs: one array for each Input node, in graph order; examples along the first axis.
        labels: one array for each trained output, in the order of `Data.targets`.
    """

    inputs: tuple[Array, ...]
    labels: tuple[Array, ...]

    @property
    def size(self) -> int:
        """Number of examples."""
        return len(self.inputs[0])

    def __repr__(self) -> str:
        shapes = ", ".join(f"{array.dtype}{array.shape[1:]}" for array in self.inputs)
        return f"Split({self.size} examples of {shapes})"


@dataclass(frozen=True, slots=True)
class Change:
    """One way in which pictures to train on are varied at random.

    Attributes:
        name: `flip`, `shift`, ...
        amount: how far at most; 1 where there is nothing to say.
    """

    name: str
    amount: float = 1.0


@dataclass(frozen=True, eq=False)
class Data:
    """Data that fit the inputs of a network and were checked.

    Attributes:
        train: examples to train on.
        test: examples that training never sees.
        num_classes: number of classes of the first target that has classes; None if none has.
        class_names: one name for each of these classes.
        description: where the data come from and what was done to them, as plain JSON; `recreate`
            makes the same data from it.
        targets: what each array of labels is.
        augment: how pictures to train on are varied, in this order.
    """

    train: Split
    test: Split
    num_classes: int | None
    class_names: tuple[str, ...]
    description: dict[str, Any] = field(repr=False)
    targets: tuple[Target, ...] = field(default=(), repr=False)
    augment: tuple[Change, ...] = field(default=(), repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all numbers, 32 hexadecimal digits, the same on every machine."""
        digest = hashlib.blake2b(digest_size=16)
        for split in (self.train, self.test):
            for array in (*split.inputs, *split.labels):
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What data say about a network before it is completed. None where the network decides.

    Attributes:
        shape: shape of one example.
        num_classes: number of classes.
        dtype: type of the numbers, as an Input would say it.
        kind: what the labels look like; fractions are numbers, several 0s and 1s a row are flags.
    """

    shape: Shape | None
    num_classes: int | None
    dtype: str | None
    kind: Kind = "classes"


ONE_CLASS = TargetSpec("", "classes", (None,))


@dataclass(frozen=True, slots=True)
class Wanted:
    """One Input node: what data it wants.

    Attributes:
        name: of the node.
        shape: of one example; None for a dimension that the data decide.
        dtype: of the numbers handed to the network.
        vocabulary: number of tokens that an Embedding behind it knows, where that is known.
    """

    name: str
    shape: Shape
    dtype: np.dtype[Any]
    vocabulary: int | None = None

    @property
    def is_integer(self) -> bool:
        """Whether the input asks for whole numbers."""
        return self.dtype.kind in "iu"


@dataclass(frozen=True)
class Request:
    """Everything a source may need to know.

    Attributes:
        spec: the data as the user named them.
        argument: what follows the colon of `synthetic:...`; else the path or the name.
        wanted: one for each Input node.
        outputs: names of output nodes, under which an `.npz` may hold the labels.
        targets: what each trained output asks of its labels.
        seed: for what is drawn at random.
        most_bytes: bound on the memory that the arrays may take.
    """

    spec: str
    argument: str
    wanted: tuple[Wanted, ...]
    outputs: tuple[str, ...] = ()
    targets: tuple[TargetSpec, ...] = (ONE_CLASS,)
    seed: int = 0
    most_bytes: int = MOST_BYTES


@dataclass(frozen=True, eq=False)
class Part:
    """Arrays as a source found them, and what to call them in a message.

    Attributes:
        inputs: one array for each wanted input.
        labels: one array for each target: class ids, names of classes, or numbers.
        places: where each input array stands, in the user's words.
        label_places: where the labels stand.
    """

    inputs: tuple[Array, ...]
    labels: tuple[Array, ...]
    places: tuple[str, ...]
    label_places: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Found:
    """What a source holds, fitted to the inputs but not yet checked or split.

    Attributes:
        train: the examples, or those to train on.
        test: examples the source keeps apart for testing; None when there are none.
        notes: for each input, what was done to its numbers.
        class_names: for each target, where the source knows them; empty if it knows none.
        facts: more to say in the description.
        order: fixed (train, test) indices, for a source with a split of its own.
        divisors: what the numbers of each input are yet to be divided by; done last, as bytes take
            a quarter of the memory of float32.
    """

    train: Part
    test: Part | None
    notes: tuple[dict[str, Any], ...]
    class_names: tuple[tuple[str, ...] | None, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    order: tuple[Array, Array] | None = None
    divisors: tuple[float, ...] = ()


def want(inputs: Sequence[InputSpec], vocabulary: Mapping[str, int]) -> tuple[Wanted, ...]:
    """The inputs of a network, as this package looks at them.

    Raises:
        DataError: there is no input, or one asks for something that is not a number.
    """
    if not inputs:
        raise DataError("the network has no Input node, so no data can enter it")
    return tuple(
        Wanted(name, tuple(shape), _dtype(name, dtype), vocabulary.get(name))
        for name, shape, dtype in inputs
    )


def _dtype(name: str, asked: str | None) -> np.dtype[Any]:
    """Whole numbers stay as asked, float64 too; all other numbers are handed over as float32."""
    if asked is None or asked in ("float16", "bfloat16"):
        return np.dtype(np.float32)
    try:
        dtype = np.dtype(asked)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "iuf":
        raise DataError(
            f"asks for dtype {asked!r}; data are numbers: float32, float64, int32, int64, ...",
            where=f"input {name!r}",
            node=name,
        )
    return dtype
