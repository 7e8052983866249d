"""Data in CSV tables: what people save, and where a bad cell stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opgraph.runtime.data import Data, DataFacts, load, peek
from opgraph.runtime.data.table import read_table

Refusal = Callable[..., str]
Load = Callable[..., Data]
Write = Callable[..., str]
PLAIN = "1,2,0\n3,4,1\n5,6,1\n7,8,0\n"
WHOLE = "\n   fractions are for an output that is compared with numbers (by mse or mae)"
GAPS = "\n   every cell needs a value; fill in or leave out rows with gaps"


@pytest.fixture
def write(place: Path) -> Write:
    """Write a table and return its name."""

    def written(text: str | bytes, name: str = "t.csv") -> str:
        Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    return written


def rows(data: Data) -> set[tuple[float, ...]]:
    """All examples with the name of their class last."""
    return {
        (*map(float, example.ravel()), data.class_names[label])
        for split in (data.train, data.test)
        for example, label in zip(split.inputs[0], split.labels[0], strict=True)
    }


EXPECTED = {(1, 2, "0"), (3, 4, "1"), (5, 6, "1"), (7, 8, "0")}


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.rstrip("\n"),
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        "a,b,c\n" + PLAIN,
        "label,a,b\n0,1,2\n1,3,4\n1,5,6\n0,7,8\n",
        "a,Class,b\n1,0,2\n3,1,4\n5,1,6\n7,0,8\n",
        "y,x,label\n" + PLAIN,
        "a,类别,b\n1,0,2\n3,1,4\n5,1,6\n7,0,8\n",
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace("1,2,0", '"1",2,"0"'),
        PLAIN.replace("3,4,1", " 3 , 4.0 , 1.0 "),
        PLAIN.replace("\n", "\n\n"),
        PLAIN + ",,\n",
        "5e0,0.6e1,1\n" + PLAIN.replace("5,6,1\n", ""),
    ],
)
def test_tables_as_people_save_them(write: Write, load_one: Load, text: str) -> None:
    assert rows(load_one(write(text), (2,))) == EXPECTED


def test_tab_separated_files(write: Write, load_one: Load) -> None:
    assert rows(load_one(write(PLAIN.replace(",", "\t"), "t.TSV"), (2,))) == EXPECTED


def test_classes_by_name(write: Write, load_one: Load) -> None:
    data = load_one(write('w,h,species\n1,2,"setosa, red"\n3,4,iris\n5,6,iris\n7,8,iris\n'), (2,))
    assert data.class_names == ("iris", "setosa, red")
    assert (1, 2, "setosa, red") in rows(data)
    assert data.description["columns"] == ["w", "h"]
    assert data.description["inputs"][0]["divided_by"] == 1.0


@given(
    numbers=st.lists(
        st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 3, st.integers(0, 3)), min_size=1, max_size=30
    ),
    header=st.booleans(),
    crlf=st.booleans(),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_agrees_with_pandas(
    write: Write, numbers: list[tuple[float, ...]], header: bool, crlf: bool
) -> None:
    frame = pd.DataFrame(numbers, columns=["a", "b", "c", "label"])
    text = frame.to_csv(index=False, header=header, lineterminator="\r\n" if crlf else "\n")
    table = read_table(write(text), 1 << 20)
    again = pd.read_csv("t.csv", header=0 if header else None, float_precision="round_trip")
    assert np.array_equal(table.numbers, again.iloc[:, :3].to_numpy(np.float64))
    assert table.labels[0].classes().tolist() == again.iloc[:, 3].tolist()


def test_rows_are_laid_out_in_the_shape_of_the_input(write: Write, load_one: Load) -> None:
    data = load_one(write("1,2,3,4,0\n5,6,7,8,1\n" * 2), (2, 2, 1))
    assert data.train.inputs[0][0, :, :, 0].tolist() in ([[1, 2], [3, 4]], [[5, 6], [7, 8]])


def test_columns_are_dealt_to_several_inputs(write: Write, refusal: Refusal) -> None:
    spec = write("1,2,3,0\n4,5,6,1\n" * 4)
    data = load(spec, [("a", (2,), None), ("b", (1,), "int32")])
    pairs = {(*a.tolist(), *b.tolist()) for a, b in zip(*data.train.inputs, strict=True)}
    assert pairs == {(1, 2, 3), (4, 5, 6)}
    assert data.train.inputs[1].dtype == np.int32
    assert refusal(load, spec, [("a", (2,), None), ("b", (3,), None)]) == (
        "t.csv: 3 columns of numbers cannot be dealt to the inputs 'a' (2,), 'b' (3,)\n"
        "   the columns are dealt from left to right and must fill all inputs"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv: there are no rows"),
        ("\n\n", "t.csv: there are no rows"),
        ("a,b,label\n", "t.csv: there are no examples"),
        (
            "1\n2\n",
            "t.csv:1: one column only; at least one of numbers and one of labels are expected\n"
            "   cells are separated by ','",
        ),
        (
            PLAIN + "9,x,0\n",
            "t.csv:5, column 2: expected a finite number, received 'x'" + GAPS,
        ),
        (
            "a,b,label\n" + PLAIN + "9,,0\n",
            "t.csv:6, column 2 ('b'): expected a finite number, received ''" + GAPS,
        ),
        (
            "label,a,b\n0,1,2\n1,3,inf\n",
            "t.csv:3, column 3 ('b'): expected a finite number, received 'inf'" + GAPS,
        ),
        (
            "1,2,0\nNaN,4,1\n",
            "t.csv:2, column 1: expected a finite number, received 'NaN'" + GAPS,
        ),
        ("1,2,0\n3,4,\n", "t.csv:2, column 3: expected a label, received ''" + GAPS),
        (
            "1,2,0\n3,4,0.5\n",
            "t.csv:2, column 3: expected a class (a whole number or a name), received '0.5'"
            + WHOLE,
        ),
        (
            "1,2,0\n\n3,4,nan\n",
            "t.csv:3, column 3: expected a class (a whole number or a name), received 'nan'"
            + WHOLE,
        ),
        ("1,2,0\n3,4\n", "t.csv:2: 2 cells, but the first row has 3"),
        ("1,2,0\n3,4,5,6\n", "t.csv:2: 4 cells, but the first row has 3"),
        (
            '1,2,0\n"a\nb",4,1\n',
            "t.csv:2, column 1: expected a finite number, received 'a\\nb'" + GAPS,
        ),
        (
            '1,2,0\n"3\n",4,1\n5,x,1\n',
            "t.csv:4, column 2: expected a finite number, received 'x'" + GAPS,
        ),
        (
            '1,2,0\n3,"4,1\n',
            "t.csv:2: cannot be read as a table (unexpected end of data)",
        ),
        (
            "1," + "2" * 200_000 + ",0\n",
            "t.csv:1: cannot be read as a table (field larger than field limit (131072))",
        ),
        (b"1,2,\xff\n", "t.csv: is not UTF-8 text (byte 0xff)\n   save the table as UTF-8"),
        (
            "1,2,0\n" + "y" * 50 + ",2,0\n",
            "t.csv:2, column 1: expected a finite number, received '" + "y" * 40 + "'" + GAPS,
        ),
        (
            "1,2,3,0\n4,5,6,1\n",
            "t.csv: examples of shape (3,) do not fit input 'x' of shape (2,)\n"
            "   reshape the data, or change the input: --set 'x.shape=(3,)'",
        ),
        (
            "1,2,0\n3,4,-1\n5,6,1\n",
            "t.csv: 1 of 3 labels is outside 0..1, the 2 classes of the network; the first, -1, is"
            " at [1]\n"
            "   number the classes from 0, or give the last layer one unit a class",
        ),
        (
            "1,2,one\n3,4,one\n",
            "t.csv: all 2 labels are 0 ('one'); there is nothing to tell apart\n"
            "   a classifier needs examples of at least two classes",
        ),
    ],
)
def test_tables_that_cannot_be_used(
    write: Write, refusal: Refusal, load_one: Load, text: str | bytes, message: str
) -> None:
    assert refusal(load_one, write(text), (2,)) == message


def test_more_numbers_than_memory(write: Write, refusal: Refusal, load_one: Load) -> None:
    assert refusal(load_one, write(PLAIN), (2,), most_bytes=50) == (
        "t.csv:4: more numbers than fit in 50 B, the memory allowed\n   use fewer examples"
    )


def test_large_garbage_ends_quickly(write: Write, refusal: Refusal, load_one: Load) -> None:
    spec = write(b"\0" * 10_000_000)
    assert refusal(load_one, spec, (2,)) == (
        "t.csv:1: cannot be read as a table (field larger than field limit (131072))"
    )


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (PLAIN, DataFacts((2,), 2, "float32")),
        ("1,2,0\n1,2,7\n", DataFacts((2,), 8, "float32")),
        ("a,b,c,label\n1,2,3,cat\n1,2,3,dog\n1,2,3,cat\n", DataFacts((3,), 2, "float32")),
        ("a,b,c,label\n", DataFacts((3,), None, "float32")),
    ],
)
def test_peek_tells_columns_and_classes(write: Write, text: str, facts: DataFacts) -> None:
    assert peek(write(text)) == facts
