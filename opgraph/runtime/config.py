"""A training written down in a TOML file: the same names as the options, by topic.

Owns the tables and the way between file and settings; what a setting means is said by `recipe` and
by whoever reads the graph. Needs neither TensorFlow nor Keras.

    [graph]     file, set, input_shape, classes
    [data]      data, augment
    [training]  steps, optimizer, loss, ... everything else
    [measure]   measure, sites, statistics, keyframe_every, keep_keyframes
    [output]    output
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import tomli_w

from opgraph.errors import (
    OpgraphError,
    ParseError,
    Place,
    Source,
    TraceError,
    raise_all,
    suggest,
)
from opgraph.runtime.recipe import Recipe, field_names

_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "graph": ("file", "set", "input_shape", "classes"),
    "data": ("data", "augment"),
    "measure": ("measure", "sites", "statistics", "keyframe_every", "keep_keyframes"),
    "output": ("output",),
}
_TAKEN = {name for names in _ELSEWHERE.values() for name in names}
TABLES: dict[str, tuple[str, ...]] = {
    "graph": _ELSEWHERE["graph"],
    "data": _ELSEWHERE["data"],
    "training": tuple(name for name in field_names() if name not in _TAKEN),
    "measure": _ELSEWHERE["measure"],
    "output": _ELSEWHERE["output"],
}
OTHER_NAMES = {"lr": "learning_rate"}
HEAD = "# A training, written down by opgraph. Again: opgraph trace --config THIS_FILE\n\n"
_AT = re.compile(r"\(at line (\d+), column (\d+)\)")


@dataclass(frozen=True)
class Config:
    """What a file says about a training.

    Attributes:
        values: settings by name, checked: those of `Recipe`, and `file`, `set`, `input_shape`,
            `classes`, `data`, `output`.
        source: the text they stand in.
    """

    values: Mapping[str, Any]
    source: Source

    @property
    def recipe(self) -> dict[str, Any]:
        """The settings of `Recipe` among them."""
        return {name: x for name, x in self.values.items() if name in field_names()}


def read_config(path: str | Path) -> Config:
    """Read a training from a file.

    Raises:
        ParseError: it is no TOML.
        TraceError: it cannot be opened, or a name or value is wrong; all findings at once.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise TraceError(f"cannot be read: {reason}", where=str(path)) from None
    return parse_config(Source(str(path), text))


def parse_config(source: Source) -> Config:
    r"""The same for a text.

    >>> parse_config(Source("run.toml", "[training]\nsteps = 5")).values
    {'steps': 5}
    """
    try:
        tables = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(source, error) from None
    errors: list[OpgraphError] = []
    values: dict[str, Any] = {}
    for table, content in tables.items():
        if table not in TABLES or not isinstance(content, dict):
            errors.append(_unknown_table(source, table))
            continue
        for key, value in cast("dict[str, Any]", content).items():
            name = key.replace("-", "_")
            name = OTHER_NAMES.get(name, name)
            if name not in TABLES[table]:
                errors.append(_unknown_key(source, table, key))
                continue
            values[name] = value
    raise_all(errors)
    _check(source, values)
    return Config(values, source)


def to_toml(values: Mapping[str, Any]) -> str:
    """Write settings as a file that `read_config` reads back; those that are None are left out.

    >>> print(to_toml({"steps": 5, "data": "digits", "sites": None}).partition("[")[2])
    data]
    data = "digits"
    <BLANKLINE>
    [training]
    steps = 5
    <BLANKLINE>
    """
    tables = {
        table: {name: _written(values[name]) for name in names if values.get(name) is not None}
        for table, names in TABLES.items()
    }
    return HEAD + tomli_w.dumps({table: content for table, content in tables.items() if content})


def _written(value: Any) -> Any:
    """A value as TOML has it."""
    if isinstance(value, Mapping):
        return {str(key): _written(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if any(item is None for item in value):  # a dimension that the data decide
            return ",".join(str(item) for item in value)
        return [_written(item) for item in value]
    return value


def _check(source: Source, values: dict[str, Any]) -> None:
    """Check all values; an error points at the line."""
    own = {name: x for name, x in values.items() if name in field_names()}
    try:
        _check_texts(values)
        if "input_shape" in values:
            values["input_shape"] = _shape(values["input_shape"])
        values |= {name: getattr(Recipe.from_dict(own), name) for name in own}
    except TraceError as error:
        key = (error.where or "").split(",")[0]
        error.place = _place(source, key) if key in values else None
        raise


def _check_texts(values: Mapping[str, Any]) -> None:
    for name in ("file", "data", "output"):
        if name in values and not isinstance(values[name], str):
            raise TraceError(f"expected a text, received {values[name]!r}", where=name)
    settings = values.get("set", [])
    if not isinstance(settings, list) or not all(isinstance(x, str) for x in settings):
        raise TraceError(
            f"expected a list of texts, received {settings!r}",
            where="set",
            hint='write set = ["batch_norm*.momentum=0.9"]',
        )
    classes = values.get("classes", 1)
    if not isinstance(classes, int) or isinstance(classes, bool) or classes < 1:
        raise TraceError(f"expected a positive number, received {classes!r}", where="classes")


def _shape(value: Any) -> tuple[int | None, ...]:
    words = value.split(",") if isinstance(value, str) else value
    dims = [_dim(word) for word in words] if isinstance(words, list) else [0]
    if not dims or any(dim is not None and dim < 1 for dim in dims):
        raise TraceError(
            f"expected a shape such as [32, 32, 3], received {value!r}", where="input_shape"
        )
    return tuple(dims)


def _dim(word: Any) -> int | None:
    text = str(word).strip()
    if text in ("None", "?"):
        return None
    return int(text) if text.isdecimal() else 0


def _no_toml(source: Source, error: tomllib.TOMLDecodeError) -> ParseError:
    said = _AT.sub("", str(error)).strip()
    at = _AT.search(str(error))
    if at is None:
        return ParseError(f"no TOML: {said}", where=source.name)
    offset = source.line_starts[int(at[1]) - 1] + int(at[2]) - 1
    return ParseError(f"no TOML: {said}", place=Place(source, offset, offset + 1))


def _unknown_table(source: Source, table: str) -> TraceError:
    home = next((name for name, keys in TABLES.items() if table in keys), None)
    hint = f"{table!r} stands in [{home}]" if home else suggest(table, TABLES)
    known = ", ".join(f"[{name}]" for name in TABLES)
    place = _place(source, table) or _table_place(source, table)
    return TraceError(f"there is no table [{table}]; there are {known}", place=place, hint=hint)


def _unknown_key(source: Source, table: str, key: str) -> TraceError:
    folded = key.replace("-", "_")
    home = next((name for name, keys in TABLES.items() if folded in keys), None)
    near = suggest(key, TABLES[table]) or suggest(key, _all_names())
    hint = f"it stands in [{home}]" if home else near
    return TraceError(
        f"there is no setting {key!r} in [{table}]",
        place=_place(source, key),
        where=None if _place(source, key) else source.name,
        hint=hint or f"[{table}] takes: {', '.join(TABLES[table])}",
    )


def _all_names() -> tuple[str, ...]:
    return tuple(name for names in TABLES.values() for name in names)


def _place(source: Source, name: str) -> Place | None:
    """Where a setting is written, under either spelling; None where it cannot be told."""
    spelled = [re.escape(name), re.escape(name.replace("_", "-"))]
    spelled += [other for other, meant in OTHER_NAMES.items() if meant == name]
    found = re.search(rf"^[ \t]*[\"']?({'|'.join(spelled)})[\"']?\s*[=.]", source.text, re.M)
    return Place(source, found.start(1), found.end(1)) if found else None


def _table_place(source: Source, table: str) -> Place | None:
    found = re.search(rf"^[ \t]*\[\s*({re.escape(table)})\b", source.text, re.M)
    return Place(source, found.start(1), found.end(1)) if found else None
