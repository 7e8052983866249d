"""From bytes to a named text: encodings, byte order marks, bounds.

Knows nothing of the language that the text is written in.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from opgraph.errors import ParseError, Place, Source

MOST_BYTES = 64 * 2**20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_source(path: str | Path) -> Source:
    """Read a text file: UTF-8, or UTF-16 and UTF-32 with a byte order mark.

    Args:
        path: the file; its line ends are kept.

    Raises:
        ParseError: it cannot be opened, is too large, or is no text.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ParseError(f"cannot be read: {error.strerror}", where=str(path)) from None
    if len(data) > MOST_BYTES:
        limit = f"{MOST_BYTES // 2**20} MB"
        raise ParseError(
            f"larger than {limit}", where=str(path), hint=f"an edge list may have up to {limit}"
        )
    return decode(data, str(path))


def decode(data: bytes, name: str) -> Source:
    r"""The text that bytes stand for.

    Args:
        data: UTF-8, or UTF-16 and UTF-32 with a byte order mark.
        name: what error messages call the text.

    Raises:
        ParseError: the bytes are no text; the place is the first bad one.

    >>> decode(b"\xef\xbb\xbfa -> b", "x.txt").text
    'a -> b'
    """
    mark, encoding = next(((m, e) for m, e in _BOMS if data.startswith(m)), (b"", "utf-8"))
    body = data[len(mark) :]
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(body, encoding, error, name) from None
    if "\0" in text:
        raise _nul(text, name)
    if "\r" in text and "\n" not in text:
        text = text.replace("\r", "\n")
    return Source(name, text)


def _undecodable(body: bytes, encoding: str, error: UnicodeDecodeError, name: str) -> ParseError:
    before = len(body[: error.start].decode(encoding))
    source = Source(name, body[: error.end + 200].decode(encoding, "replace"))
    received = " ".join(f"{byte:02x}" for byte in body[error.start : error.end][:4])
    return ParseError(
        f"the bytes {received} are not {encoding.upper()}",
        place=Place(source, before, before + 1),
        hint=_encoding_hint(body),
    )


def _encoding_hint(body: bytes) -> str:
    try:
        body.decode("gb18030")
    except UnicodeDecodeError:
        return "an edge list is a text file; this seems to be something else"
    return "save it as UTF-8; if it is GBK: iconv -f GB18030 -t UTF-8 FILE"


def _nul(text: str, name: str) -> ParseError:
    offset = text.index("\0")
    return ParseError(
        "a NUL character, which no text has",
        place=Place(Source(name, text[: offset + 200]), offset, offset + 1),
        hint="an edge list is a text file, in UTF-8; UTF-16 needs a byte order mark",
    )
