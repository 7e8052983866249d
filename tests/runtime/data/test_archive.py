"""Data in `.npz` files: names of arrays, and files that mean harm."""

from __future__ import annotations

import io
import resource
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opgraph.runtime.data import Data, DataFacts, load, peek

Refusal = Callable[..., str]
Load = Callable[..., Data]
Save = Callable[..., str]
X = np.linspace(0, 1, 20 * 6, dtype=np.float32).reshape(20, 2, 3)
Y = np.arange(20) % 4
REMAKE = "\n   save it again with numpy.savez"


def header(shape: Any, descr: str = "<f4", tail: bytes = b"") -> bytes:
    """A member that declares this much, whatever follows."""
    stream = io.BytesIO()
    described = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, described)
    return stream.getvalue() + tail


def raw_header(text: bytes, version: bytes = b"\x01\x00") -> bytes:
    """A member with a header of any text."""
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text


def zip_up(name: str = "data.npz", **members: bytes) -> str:
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as file:
        for key, content in members.items():
            file.writestr(f"{key}.npy", content)
    return name


LABELS = header((20,), "<i8", np.arange(20).tobytes())


# What is read -----------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("x", "y"), ("inputs", "labels"), ("images", "label")])
def test_inputs_and_labels_by_their_usual_names(
    save_npz: Save, load_one: Load, names: tuple[str, str]
) -> None:
    data = load_one(save_npz(**dict(zip(names, (X, Y), strict=True))), (2, 3))
    rows = {tuple(row.ravel()) for row in X}
    seen = {tuple(row.ravel()) for row in (*data.train.inputs[0], *data.test.inputs[0])}
    assert rows == seen
    assert (data.train.size, data.test.size, data.num_classes) == (15, 5, 4)
    for split in (data.train, data.test):
        places = [int(np.flatnonzero((row == X).all((1, 2)))[0]) for row in split.inputs[0]]
        assert split.labels[0].tolist() == [place % 4 for place in places]


def test_names_of_nodes_come_first(save_npz: Save) -> None:
    spec = save_npz(left=X, right=X[:, 0], x=X * 0, answer=Y, y=Y * 0)
    inputs = [("left", (2, 3), None), ("right", (3,), None)]
    data = load(spec, inputs, outputs=["answer"])
    assert np.array_equal(data.train.inputs[0][:, 0], data.train.inputs[1])
    assert data.num_classes == 4


def test_train_and_test_are_kept_apart(save_npz: Save, load_one: Load) -> None:
    data = load_one(save_npz(x_train=X, y_train=Y, x_test=X[:3] + 1, y_test=Y[:3]), (2, 3))
    assert np.array_equal(data.train.inputs[0], X)
    assert np.array_equal(data.test.inputs[0], X[:3] + 1)
    assert data.description["split"] == "as it comes"


def test_train_alone_is_split(save_npz: Save, load_one: Load) -> None:
    data = load_one(save_npz(x_train=X, y_train=Y), (2, 3), seed=3)
    assert (data.train.size, data.test.size) == (15, 5)
    assert data.description["split"] == "stratified, 25% for the test, seed 3"


def test_names_of_classes_become_ids(save_npz: Save, load_one: Load) -> None:
    words = np.array(["dog", "ant", "cat", "ant"])[Y]
    data = load_one(save_npz(x=X, y=words), (2, 3))
    assert data.class_names == ("ant", "cat", "dog")
    for example, label in zip(data.train.inputs[0], data.train.labels[0], strict=True):
        place = int(np.flatnonzero((example == X).all((1, 2)))[0])
        assert data.class_names[label] == words[place]


@pytest.mark.parametrize(
    "labels", [Y.astype(np.float32), Y[:, None], Y.astype(np.uint8), Y.astype(">i2")]
)
def test_labels_of_other_types_and_a_spare_axis(
    save_npz: Save, load_one: Load, labels: Any
) -> None:
    data = load_one(save_npz(x=X, y=labels), (2, 3))
    reference = load_one(save_npz(x=X, y=Y), (2, 3))
    assert data.fingerprint == reference.fingerprint


def test_bytes_and_class_names(save_npz: Save, load_one: Load) -> None:
    data = load_one(save_npz(x=X, y=Y, class_names=np.array(list("abcd"))), (2, 3))
    assert data.class_names == ("a", "b", "c", "d")
    data = load_one(save_npz(x=X, y=np.array([b"no", b"yes"])[Y % 2]), (2, 3))
    assert data.class_names == ("no", "yes")


def test_bytes_of_pictures_are_divided_by_255(save_npz: Save, load_one: Load) -> None:
    pixels = np.arange(20 * 6, dtype=np.uint8).reshape(20, 2, 3) * 2
    data = load_one(save_npz(x_train=pixels, y_train=Y, x_test=pixels, y_test=Y), (2, 3, 1))
    assert np.array_equal(data.train.inputs[0][..., 0], pixels / np.float32(255))
    note = data.description["inputs"][0]
    assert (note["divided_by"], note["channels"]) == (255.0, "axis added")


def test_bytes_for_an_input_of_whole_numbers_stay_whole(save_npz: Save, load_one: Load) -> None:
    pixels = np.arange(20 * 6, dtype=np.uint8).reshape(20, 2, 3)
    data = load_one(save_npz(x_train=pixels, y_train=Y, x_test=pixels, y_test=Y), (2, 3), "int32")
    assert np.array_equal(data.train.inputs[0], pixels)


def test_name_of_the_input_comes_before_the_usual_names(save_npz: Save) -> None:
    data = load(save_npz(data=X * 0, row=X, y=Y), [("row", (2, 3), None)])
    assert data.train.inputs[0].max() == 1


def test_names_of_classes_are_gathered_from_both_halves(save_npz: Save, load_one: Load) -> None:
    train, test = np.array(["cat", "dog"])[Y % 2], np.array(["bee", "dog"])[Y % 2]
    data = load_one(save_npz(x_train=X, y_train=train, x_test=X, y_test=test), (2, 3))
    assert data.class_names == ("bee", "cat", "dog")
    assert [data.class_names[label] for label in data.test.labels[0]] == test.tolist()
    assert [data.class_names[label] for label in data.train.labels[0]] == train.tolist()


def test_other_numbers_are_taken_as_they_are(save_npz: Save, load_one: Load) -> None:
    data = load_one(save_npz(x_train=X * 300, y_train=Y, x_test=X, y_test=Y), (2, 3))
    assert np.array_equal(data.train.inputs[0], X * 300)
    assert data.description["inputs"][0]["divided_by"] == 1.0
    assert data.description["inputs"][0]["range"] == [0.0, 300.0]
    tokens = np.arange(40).reshape(20, 2)
    data = load_one(save_npz(x_train=tokens, y_train=Y, x_test=tokens, y_test=Y), (2,), "int32")
    assert np.array_equal(data.train.inputs[0], tokens)
    assert data.train.inputs[0].dtype == np.int32


def test_arrays_laid_out_by_columns(save_npz: Save, load_one: Load) -> None:
    plain = load_one(save_npz(x=X, y=Y), (2, 3))
    assert load_one(save_npz(x=np.asfortranarray(X), y=Y), (2, 3)).fingerprint == plain.fingerprint


def test_compressed_files(place: Path, load_one: Load, save_npz: Save) -> None:
    plain = load_one(save_npz(x=X, y=Y), (2, 3))
    np.savez_compressed("small.npz", x=X, y=Y)
    assert load_one("small.npz", (2, 3)).fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("arrays", "facts"),
    [
        ({"x": X, "y": Y}, DataFacts((2, 3), 4, "float32")),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y}, DataFacts((2, 3), 4, "float32")),
        ({"x": (X * 9).astype(np.int64), "y": Y}, DataFacts((2, 3), 4, "int32")),
        ({"x": (X * 9).astype(np.uint8), "y": Y}, DataFacts((2, 3, 1), 4, "float32")),
        ({"pictures": X, "y": np.array(["b", "a"] * 10)}, DataFacts((2, 3), 2, "float32")),
        ({"left": X, "right": X, "y": Y}, DataFacts(None, 4, None)),
        ({"x": X, "y": Y, "class_names": np.array(list("abcde"))}, DataFacts((2, 3), 5, "float32")),
        ({"x": X[:0], "y": Y[:0]}, DataFacts((2, 3), None, "float32")),
        ({"x": X}, DataFacts((2, 3), None, "float32")),
    ],
)
def test_peek_reads_headers_and_labels(
    save_npz: Save, arrays: dict[str, Any], facts: DataFacts
) -> None:
    assert peek(save_npz(**arrays)) == facts


def test_peek_does_not_unpack_the_inputs(place: Path) -> None:
    zip_up(x=header((10**9, 10**9)), y=LABELS)
    assert peek("data.npz") == DataFacts((10**9,), 20, "float32")


# What is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"img": X, "lbels": Y},
            "data.npz: no array for input 'x'; expected 'x' or 'inputs' or 'images' or 'data'\n"
            "   did you mean 'img'? there are: 'img', 'lbels'",
        ),
        (
            {"imges": X, "y": Y},
            "data.npz: no array for input 'x'; expected 'x' or 'inputs' or 'images' or 'data'\n"
            "   did you mean 'imges'? there are: 'imges', 'y'",
        ),
        (
            {"x": X, "lables": Y},
            "data.npz: no array for the labels; expected 'y' or 'labels' or 'label' or 'targets'\n"
            "   did you mean 'lables'? there are: 'x', 'lables'",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X},
            "data.npz: no array for the labels; expected 'y_test' or 'labels_test' or 'label_test'"
            " or 'targets_test'\n"
            "   there are: 'x_train', 'y_train', 'x_test'",
        ),
        (
            {"x": X[..., :2], "y": Y},
            "data.npz, 'x': examples of shape (2, 2) do not fit input 'x' of shape (2, 3)\n"
            "   reshape the data, or change the input: --set 'x.shape=(2, 2)'",
        ),
        (
            {"x": X, "y": Y[:10]},
            "data.npz, 'y': 10 examples, but data.npz, 'x' has 20\n"
            "   each example needs one entry in every array and one label",
        ),
        ({"x": X[:0], "y": Y[:0]}, "data.npz, 'x': there are no examples"),
        (
            {"x": X, "y": Y * 0},
            "data.npz, 'y': all 20 labels are 0; there is nothing to tell apart\n"
            "   a classifier needs examples of at least two classes",
        ),
        (
            {"x": X, "y": np.eye(4)[Y] + np.eye(4)[3]},
            "data.npz, 'y': labels have shape (20, 4); one whole number or name for each example"
            " is expected\n"
            "   one-hot rows hold a single 1 each; several yes-or-no answers an example need an"
            " output of sigmoids",
        ),
        (
            {"x": X, "y": Y + 0.5},
            "data.npz, 'y': label 0.5 at example 0 is not a whole number\n"
            "   classes are numbered 0, 1, 2, ... or named",
        ),
        (
            {"x": X, "y": Y - 1},
            "data.npz, 'y': 5 of 20 labels are outside 0..2, the 3 classes of the network; the"
            " first, -1, is at [0]\n"
            "   number the classes from 0, or give the last layer one unit a class",
        ),
        (
            {"x": np.array(["a"] * 20), "y": Y},
            "data.npz, 'x': examples of shape () do not fit input 'x' of shape (2, 3)\n"
            "   reshape the data, or change the input: --set 'x.shape=()'",
        ),
        (
            {"x": np.full((20, 2, 3), "a"), "y": Y},
            "data.npz, 'x': holds <U1, but input 'x' takes numbers",
        ),
        (
            {"x": X, "y": np.float32(3)},
            "data.npz, 'y': is a single number, not one for each example",
        ),
        (
            {"x": X[:1], "y": Y[:1]},
            "data.npz, 'y': all 1 labels are 0; there is nothing to tell apart\n"
            "   a classifier needs examples of at least two classes",
        ),
        (
            {"x": X, "y": Y, "class_names": np.arange(4)},
            "data.npz, 'class_names': expected a row of names",
        ),
        (
            {"x": X + 1j, "y": Y},
            "data.npz, 'x': holds complex64 of shape (20, 2, 3); numbers are expected" + REMAKE,
        ),
    ],
)
def test_arrays_that_do_not_fit(
    save_npz: Save, refusal: Refusal, load_one: Load, arrays: dict[str, Any], message: str
) -> None:
    assert refusal(load_one, save_npz(**arrays), (2, 3)) == message


@pytest.mark.parametrize("shape", [(2, 1), (1, 3), (2, 3, 1, 1), (2,), (None, 2), (3, 2)])
def test_shapes_fit_exactly_or_not_at_all(
    save_npz: Save, refusal: Refusal, load_one: Load, shape: tuple[int | None, ...]
) -> None:
    assert refusal(load_one, save_npz(x=X, y=Y), shape).splitlines()[0] == (
        f"data.npz, 'x': examples of shape (2, 3) do not fit input 'x' of shape {shape}"
    )


def test_place_of_a_number_in_a_large_array(
    save_npz: Save, refusal: Refusal, load_one: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrays are looked through block by block; here a block holds three examples."""
    monkeypatch.setattr("opgraph.runtime.data.check.CHUNK", 20)
    bad = X.copy()
    bad[7, 1, 2] = bad[19, 0, 0] = np.nan
    assert refusal(load_one, save_npz(x=bad, y=Y), (2, 3)).splitlines()[0] == (
        "data.npz, 'x': 2 of 120 numbers are NaN or infinite; the first, nan, is at [7, 1, 2]"
    )


def test_numbers_that_are_none(save_npz: Save, refusal: Refusal, load_one: Load) -> None:
    bad = X.copy()
    bad[3, 0, 1], bad[7, 1, 1] = np.nan, np.inf
    assert refusal(load_one, save_npz(x=bad, y=Y), (2, 3)) == (
        "data.npz, 'x': 2 of 120 numbers are NaN or infinite; the first, nan, is at [3, 0, 1]\n"
        "   correct them, or leave these examples out"
    )


def test_all_findings_come_at_once(save_npz: Save, refusal: Refusal) -> None:
    bad = X.copy()
    bad[0, 0, 0] = -np.inf
    spec = save_npz(left=bad, right=X, y=Y + 9)
    inputs = [("left", (2, 3), None), ("right", (5,), None)]
    assert refusal(load, spec, inputs, num_classes=10) == (
        "data.npz, 'left': 1 of 120 numbers is NaN or infinite; the first, -inf, is at [0, 0, 0]\n"
        "   correct them, or leave these examples out\n\n"
        "data.npz, 'right': examples of shape (2, 3) do not fit input 'right' of shape (5,)\n"
        "   reshape the data, or change the input: --set 'right.shape=(2, 3)'\n\n"
        "data.npz, 'y': 15 of 20 labels are outside 0..9, the 10 classes of the network; the first,"
        " 10, is at [1]\n"
        "   number the classes from 0, or give the last layer one unit a class"
    )


def test_tokens_beyond_the_vocabulary(save_npz: Save, refusal: Refusal, load_one: Load) -> None:
    tokens = np.arange(40).reshape(20, 2)
    message = refusal(load_one, save_npz(x=tokens, y=Y), (2,), "int32", vocabulary={"x": 30})
    assert message == (
        "data.npz, 'x': 10 of 40 numbers are outside 0..29: the Embedding behind input 'x' has"
        " input_dim=30; the first, 30, is at [15, 0]\n"
        "   raise input_dim, or map rare tokens to one number"
    )
    message = refusal(load_one, save_npz(x=tokens - 1, y=Y), (2,), "int32", vocabulary={"x": 40})
    assert message.startswith("data.npz, 'x': 1 of 40 numbers is outside 0..39: the Embedding")


def test_fractions_for_an_input_of_whole_numbers(
    save_npz: Save, refusal: Refusal, load_one: Load
) -> None:
    assert refusal(load_one, save_npz(x=X, y=Y), (2, 3), "int32") == (
        "data.npz, 'x': 118 of 120 numbers are not whole, but the input takes int32; the first,"
        " 0.008403361774981022, is at [0, 0, 1]\n"
        "   round them"
    )


@pytest.mark.parametrize(
    ("number", "dtype", "message"),
    [
        (2**40, "int32", "is beyond the range of int32; the first, 1099511627776, is at [4, 1]"),
        (-1, "uint8", "is beyond the range of uint8; the first, -1, is at [4, 1]"),
        (1e300, None, "is beyond the range of float32; the first, 1e+300, is at [4, 1]"),
    ],
)
def test_numbers_out_of_range(
    save_npz: Save, refusal: Refusal, load_one: Load, number: float, dtype: str, message: str
) -> None:
    numbers = np.zeros((20, 2), np.float64 if isinstance(number, float) else np.int64)
    numbers[4, 1] = number
    assert refusal(load_one, save_npz(x=numbers, y=Y), (2,), dtype) == (
        f"data.npz, 'x': 1 of 40 numbers {message}\n"
        "   change the input's dtype, or scale the numbers"
    )


def test_pickled_objects_are_not_loaded(place: Path, refusal: Refusal, load_one: Load) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (place / "sprung",)

    np.savez("data.npz", x=np.array([Trap()], dtype=object), y=Y[:1])
    message = refusal(load_one, "data.npz", (2, 3))
    assert message == (
        "data.npz, 'x': holds pickled Python objects, which could run any code when loaded\n"
        "   save plain arrays of numbers (dtype float32, int32)"
    )
    assert refusal(peek, "data.npz") == message
    assert not (place / "sprung").exists()


@pytest.mark.parametrize("method", [load, peek])
def test_a_bomb_is_refused_before_memory_is_taken(
    place: Path, refusal: Refusal, method: Any
) -> None:
    zip_up(x=header((10**6, 10**6)), y=header((10**6, 10**6), "<i8"))
    tracemalloc.start()
    if method is load:
        message = refusal(load, "data.npz", [("x", (10**6,), None)])
        assert message == (
            "data.npz, 'x': declares 1,000,000 x 1,000,000 numbers of float32, 3.6 TiB in memory;"
            " at most 4.0 GiB are allowed\n"
            "   use fewer or smaller examples"
        )
    else:
        assert refusal(peek, "data.npz").startswith("data.npz, 'y': declares 1,000,000 x 1,000,000")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_bomb_within_the_bound_takes_no_more_than_it_holds(
    place: Path, refusal: Refusal, load_one: Load
) -> None:
    zip_up(x=header((10**6, 500)), y=LABELS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refusal(load_one, "data.npz", (500,)) == (
        "data.npz, 'x': declares 1.9 GiB, but the file holds 128 B" + REMAKE
    )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_arrays_are_bounded_together(save_npz: Save, refusal: Refusal, load_one: Load) -> None:
    spec = save_npz(x=X, y=Y)
    assert refusal(load_one, spec, (2, 3), most_bytes=X.nbytes + Y.nbytes - 1) == (
        "data.npz, 'y': declares 20 numbers of int64, 160 B in memory; at most 159 B are allowed\n"
        "   use fewer or smaller examples"
    )
    assert load_one(spec, (2, 3), most_bytes=X.nbytes + Y.nbytes).train.size == 15


def test_bytes_are_bounded_by_what_they_become(
    save_npz: Save, refusal: Refusal, load_one: Load
) -> None:
    spec = save_npz(x=np.zeros((20, 10, 10), np.uint8), y=Y)
    assert refusal(load_one, spec, (10, 10), most_bytes=7999) == (
        "data.npz: 20 examples would take 7.8 KiB of memory; at most 7.8 KiB are allowed\n"
        "   use fewer or smaller examples, or a smaller input"
    )
    assert load_one(spec, (10, 10), most_bytes=8000).train.size == 15


GARBAGE = {
    "no magic": b"hello world",
    "nothing": b"",
    "half a magic": b"\x93NUM",
    "no header": b"\x93NUMPY\x01\x00",
    "short header": raw_header(b"{'descr")[:-3],
    "not a literal": raw_header(b"__import__('os').getcwd()\n"),
    "unbalanced": raw_header(b"{" * 500 + b"\n"),
    "deep": raw_header(b"[" * 5000 + b"\n"),
    "wrong keys": raw_header(b"{'a': 1}\n"),
    "negative shape type": raw_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': 3}\n"),
    "strange dtype": raw_header(b"{'descr': 'zz', 'fortran_order': False, 'shape': (3,)}\n"),
    "version 9": raw_header(b"{}\n", b"\x09\x00"),
    "long header": raw_header(b" " * 20_000 + b"\n"),
    "not ascii": raw_header(bytes(range(128, 256))),
    "null byte": raw_header(b"{'descr': '<f4\0'}\n"),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_headers_that_are_garbage(place: Path, refusal: Refusal, load_one: Load, kind: str) -> None:
    zip_up(x=GARBAGE[kind], y=LABELS)
    assert refusal(load_one, "data.npz", (3,)) == "data.npz, 'x': is not a NumPy array" + REMAKE


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (header((20, -3)), "holds float32 of shape (20, -3); numbers are expected"),
        (header((20, 3), "<U0"), "holds <U0 of shape (20, 3); numbers are expected"),
        (header((20, 3), "<M8[s]"), "holds datetime64[s] of shape (20, 3); numbers are expected"),
        (header((20, 3), "|V8"), "holds |V8 of shape (20, 3); numbers are expected"),
        (header((20, 3)), "declares 240 B, but the file holds 128 B"),
        (header((20, 3), tail=b"1" * 239), "does not hold as many bytes as it declares"),
        (header((20, 3), tail=b"1" * 241), "does not hold as many bytes as it declares"),
    ],
)
def test_headers_that_lie(
    place: Path, refusal: Refusal, load_one: Load, member: bytes, message: str
) -> None:
    zip_up(x=member, y=LABELS)
    assert refusal(load_one, "data.npz", (3,)) == f"data.npz, 'x': {message}{REMAKE}"


def test_size_in_the_directory_of_the_zip_is_not_believed(
    place: Path, refusal: Refusal, load_one: Load
) -> None:
    """The member holds 128 bytes; header and directory both claim 4 GB."""
    zip_up(x=header((1000, 10**6)), y=LABELS)
    content = bytearray(Path("data.npz").read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 4_000_000_128)
    Path("data.npz").write_bytes(content)
    tracemalloc.start()
    message = refusal(load_one, "data.npz", (10**6,))
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert message.startswith("data.npz, 'x': ")


def test_damaged_files(save_npz: Save, refusal: Refusal, load_one: Load) -> None:
    content = bytearray(Path(save_npz(x=X, y=Y)).read_bytes())
    cut = content[: len(content) // 2]
    Path("data.npz").write_bytes(cut)
    assert refusal(load_one, "data.npz", (2, 3)) == (
        "data.npz: is not an .npz file (File is not a zip file)" + REMAKE
    )
    content[300] ^= 0xFF
    Path("data.npz").write_bytes(content)
    assert refusal(load_one, "data.npz", (2, 3)) == (
        "data.npz, 'x': is damaged (Bad CRC-32 for file 'x.npy')" + REMAKE
    )


def test_any_flipped_byte_ends_in_data_or_in_one_error(save_npz: Save, load_one: Load) -> None:
    from opgraph.errors import DataError

    good = Path(save_npz(x=X, y=Y)).read_bytes()
    messages: list[str] = []
    for place in range(0, len(good), 3):
        for flip in (0xFF, 0x01):
            content = bytearray(good)
            content[place] ^= flip
            Path("data.npz").write_bytes(content)
            try:
                load_one("data.npz", (2, 3))
            except DataError as error:
                messages.append(str(error))
    assert len(messages) > len(good) // 3
    assert all(message.startswith("data.npz") for message in messages)


def test_encrypted_members(place: Path, refusal: Refusal, load_one: Load) -> None:
    zip_up(x=header((20, 3)), y=LABELS)
    content = bytearray(Path("data.npz").read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    Path("data.npz").write_bytes(content)
    assert refusal(load_one, "data.npz", (3,)) == "data.npz, 'x': is encrypted" + REMAKE


def test_too_many_members(place: Path, refusal: Refusal, load_one: Load) -> None:
    zip_up(**{f"a{n}": b"" for n in range(1001)})
    assert refusal(load_one, "data.npz", (3,)) == (
        "data.npz: holds 1,001 arrays; at most 1,000 are allowed"
    )


def test_large_garbage_ends_quickly(place: Path, refusal: Refusal, load_one: Load) -> None:
    Path("data.npz").write_bytes(np.random.default_rng(0).bytes(10_000_000))
    assert refusal(load_one, "data.npz", (3,)) == (
        "data.npz: is not an .npz file (File is not a zip file)" + REMAKE
    )


def test_no_such_file(place: Path, refusal: Refusal, load_one: Load) -> None:
    assert refusal(load_one, "none.npz", (3,)) == "none.npz: there is no such file"


def test_no_right_to_read(
    place: Path, refusal: Refusal, load_one: Load, unreadable: Callable[[Path], None]
) -> None:
    zip_up(x=header((20, 3)), y=LABELS)
    unreadable(place / "data.npz")
    assert refusal(load_one, "data.npz", (3,)) == (
        "data.npz: is not an .npz file ([Errno 13] Permission denied: 'data.npz')" + REMAKE
    )
