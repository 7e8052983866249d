"""From the name of some data to arrays that a network can be trained on.

Owns the way from a spec to checked `Data`, and the description that makes the same data again; what
each source looks like stands in a module of its own.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opgraph.errors import DataError
from opgraph.runtime.data.augment import augmented
from opgraph.runtime.data.result import (
    MOST_BYTES,
    Data,
    DataFacts,
    InputSpec,
    Request,
    TargetSpec,
    want,
)
from opgraph.runtime.data.settle import settle
from opgraph.runtime.data.sources import find

ONLY_WITH = "steps can be replayed only with the data they were trained on"


def load(
    spec: str,
    inputs: Sequence[InputSpec],
    *,
    num_classes: int | None = None,
    seed: int = 0,
    outputs: Sequence[str] = (),
    targets: Sequence[TargetSpec] | None = None,
    vocabulary: Mapping[str, int] | None = None,
    most_bytes: int = MOST_BYTES,
) -> Data:
    """Data for a network, fitted to its inputs, checked, and split into train and test.

    Args:
        spec: `digits`, the name of a Keras dataset, `synthetic:<kind>`, or the path of an `.npz`
            file, a `.csv` file or a folder that holds one folder of pictures for each class.
        inputs: (name, shape of one example, dtype) of each Input node, in graph order.
        num_classes: outputs of the network; what the labels say when left out.
        seed: for synthetic data, and for the split of data that bring none.
        outputs: names of output nodes; an `.npz` may hold the labels under one of them.
        targets: what each trained output asks of its labels; when left out, there is one class for
            each example.
        vocabulary: for inputs read by an Embedding, its `input_dim`.
        most_bytes: bound on the memory that the arrays may take.

    Raises:
        DataError: the data cannot be read or do not fit; several findings come as `Problems`.
        MissingDependencyError: a package that reads this source is not installed.
    """
    source, argument = find(spec)
    wanted = want(inputs, vocabulary or {})
    asked = aims(targets, outputs, num_classes)
    request = Request(spec, argument, wanted, tuple(outputs), asked, seed, most_bytes)
    with _files(spec):
        found = source.read(request)
    return settle(request, found)


def aims(
    targets: Sequence[TargetSpec] | None, outputs: Sequence[str], num_classes: int | None
) -> tuple[TargetSpec, ...]:
    """What the outputs ask for; one class for each example where nothing is said.

    >>> aims(None, ["logits"], 10)
    (TargetSpec(output='logits', kind='classes', shape=(10,)),)

    Raises:
        DataError: nothing is asked for.
    """
    if targets is None:
        return (TargetSpec(outputs[0] if len(outputs) == 1 else "", "classes", (num_classes,)),)
    if not targets:
        raise DataError("no output of the network is trained, so no labels are needed")
    return tuple(targets)


def peek(spec: str) -> DataFacts:
    """What the data say about the input shape and the number of classes, as cheaply as can be.

    Raises:
        DataError: there are no such data.
    """
    source, argument = find(spec)
    with _files(spec):
        return source.peek(argument)


def recreate(description: Mapping[str, Any]) -> Data:
    """The data of a run again, from their description.

    Raises:
        DataError: the data cannot be read any more, or have changed, or were in memory only.
    """
    if not description.get("replayable", True):
        raise DataError(
            "the data were arrays in memory, which cannot be made again from the record",
            where=description["spec"],
            hint="hand over the same arrays once more (data=...)",
        )
    wanted = wanted_by(description)
    data = load(description["spec"], outputs=description["outputs"], **wanted)
    return same_data(data, description)


def wanted_by(description: Mapping[str, Any]) -> dict[str, Any]:
    """What the network of a run wants of its data: options of `load` and `from_arrays`."""
    inputs = description["inputs"]
    return {
        "inputs": [(i["name"], tuple(i["shape"]), i["dtype"]) for i in inputs],
        "num_classes": description["num_classes"],
        "seed": description["seed"],
        "targets": _targets(description),
        "vocabulary": {i["name"]: i["vocabulary"] for i in inputs if i["vocabulary"]},
        "most_bytes": description["most_bytes"],
    }


def same_data(data: Data, description: Mapping[str, Any]) -> Data:
    """Data that were proved to be those of a run, varied as they were.

    Raises:
        DataError: they are others.
    """
    if data.fingerprint == description["fingerprint"]:
        return augmented(data, description.get("augment", ""))
    raise DataError(
        f"the data have changed: their fingerprint is {data.fingerprint}, it was"
        f" {description['fingerprint']}",
        where=description["spec"],
        hint=f"{ONLY_WITH}{_other_size(data, description)}",
    )


def _other_size(data: Data, description: Mapping[str, Any]) -> str:
    has = {"train": data.train.size, "test": data.test.size}
    had = description.get("sizes", has)
    if had == has:
        return ""
    return f": {_sizes(had)}, not {_sizes(has)}"


def _sizes(sizes: Mapping[str, int]) -> str:
    return f"{sizes['train']:,} to train on and {sizes['test']:,} to test on"


def _targets(description: Mapping[str, Any]) -> list[TargetSpec] | None:
    """What the outputs asked for; None in descriptions that are older than several outputs."""
    noted = description.get("targets")
    if noted is None:
        return None
    return [TargetSpec(t["output"], t["kind"], tuple(t["output_shape"])) for t in noted]


@contextmanager
def _files(spec: str) -> Generator[None]:
    """A file or folder that cannot be opened is an error like the others."""
    try:
        yield
    except OSError as error:
        place = error.filename if isinstance(error.filename, str) else spec
        raise DataError(f"cannot be read ({error.strerror or error})", where=place) from None
