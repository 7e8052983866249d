"""Bytes to text: encodings, marks, line ends, bounds."""

import codecs

import pytest

from opgraph.errors import OpgraphError, ParseError
from opgraph.text import decode, parse, read_source
from opgraph.text.source import MOST_BYTES

TEXT = "输入 (x) → relu\r\nrelu → gap\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
        codecs.BOM_UTF32_BE + TEXT.encode("utf-32-be"),
    ],
)
def test_encodings(data, tmp_path):
    path = tmp_path / "net.txt"
    path.write_bytes(data)
    source = read_source(path)
    assert source.text == TEXT
    assert source.name == str(path)
    assert parse(source).name == "net"


def test_line_ends_of_old_macs():
    assert decode(b"x -> relu\rrelu -> gap", "net.txt").text == "x -> relu\nrelu -> gap"


def test_columns_after_carriage_returns():
    with pytest.raises(OpgraphError) as caught:
        parse(decode(b"x -> relu\r\nrelu -> foo\r\n", "net.txt"))
    assert str(caught.value) == (
        "net.txt:2:9  cannot tell what 'foo' is\n"
        "   2 │ relu -> foo\n"
        "               ^^^\n"
        "   write its op: foo: <Op>(...). All names: opgraph ops"
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            "x -> relu\n输入 -> relu".encode("gb18030"),
            "net.txt:2:1  the bytes ca are not UTF-8\n   2 │ ���� -> relu\n       ^\n"
            "   save it as UTF-8; if it is GBK: iconv -f GB18030 -t UTF-8 FILE",
        ),
        (
            b"x -> relu\nab\xff",
            "net.txt:2:3  the bytes ff are not UTF-8\n   2 │ ab�\n         ^\n"
            "   an edge list is a text file; this seems to be something else",
        ),
        (
            b"x -> re\x00lu",
            "net.txt:1:8  a NUL character, which no text has\n   1 │ x -> re lu\n              ^\n"
            "   an edge list is a text file, in UTF-8; UTF-16 needs a byte order mark",
        ),
    ],
)
def test_bytes_that_are_no_text(data, expected):
    with pytest.raises(ParseError) as caught:
        decode(data, "net.txt")
    assert str(caught.value) == expected


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ParseError) as caught:
        read_source(tmp_path / "none.txt")
    assert (
        str(caught.value) == f"{tmp_path / 'none.txt'}: cannot be read: No such file or directory"
    )


def test_a_folder(tmp_path):
    with pytest.raises(ParseError) as caught:
        read_source(tmp_path)
    assert "cannot be read: " in str(caught.value)


def test_a_file_that_is_too_large(tmp_path):
    path = tmp_path / "net.txt"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ParseError) as caught:
        read_source(path)
    assert str(caught.value) == f"{path}: larger than 64 MB\n   an edge list may have up to 64 MB"
