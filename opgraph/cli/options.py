"""Options that several commands share, and reading a graph as they say."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from opgraph.errors import ParseError

if TYPE_CHECKING:
    from opgraph.analysis import Analysis
    from opgraph.api import Graph
    from opgraph.ops import Shape

Command = TypeVar("Command", bound=Callable[..., Any])


class ShapeType(click.ParamType):
    """A shape such as 32,32,3 or 32x32x3."""

    name = "SHAPE"

    def convert(  # noqa: D102
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if isinstance(value, tuple):
            return value
        words = str(value).lower().replace("x", ",").replace("×", ",").strip("()[] ").split(",")
        try:
            dims = tuple(None if word.strip() in ("none", "?") else int(word) for word in words)
        except ValueError:
            dims = ()
        if not dims or any(dim is not None and dim < 1 for dim in dims):
            self.fail(f"{value!r} is no shape; write it as 32,32,3 or 32x32x3", param, ctx)
        return dims


class StepType(click.ParamType):
    """A step, or `best`."""

    name = "N|best"

    def convert(  # noqa: D102
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if value == "best" or isinstance(value, int):
            return value
        if not value.isdecimal():
            self.fail(f"{value!r} is no step; write a number, or best", param, ctx)
        return int(value)


def step_option(command: Command) -> Command:
    """The option `--step`."""
    option = click.option("--step", type=StepType(),
                          help="The network after this step, or at its best; the one that the run"
                          " ended with by default.")  # fmt: skip
    return option(command)


def what_option(help: str) -> Callable[[Command], Command]:
    """The option `--what`: names of quantities, by commas or given several times."""
    return click.option("--what", multiple=True, metavar="QUANTITY,...", callback=by_comma,
                        help=help)  # fmt: skip


def by_comma(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> Any:
    """Words of an option that is given by commas or several times."""
    return tuple(word.strip() for text in given for word in text.split(",") if word.strip())


def graph_options(command: Command, *, required: bool = True) -> Command:
    """The graph to read and what overrides it: FILE, --set, --input-shape, --classes."""
    options = [
        click.argument("file", required=required),
        click.option("--set", "settings", multiple=True, metavar="GLOB.ATTR=VALUE",
                     help="Override an attribute of all nodes that a glob matches."),
        click.option("--input-shape", type=ShapeType(),
                     help="Shape of one example, for inputs that do not say theirs."),
        click.option("--classes", type=click.IntRange(1),
                     help="Outputs of the last dense layer, where it does not say."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def fold_options(default: str) -> Callable[[Command], Command]:
    """The options `--fold` and `--open`."""
    options = [
        click.option("--fold", default=default, metavar="auto|none|N|GLOB", show_default=True,
                     help="Draw regions as one box each: of a large graph, none, down to about N"
                     " boxes, or those called so."),
        click.option("--open", "opened", multiple=True, metavar="GLOB",
                     help="Open folds called so, or those that hold nodes called so."),
    ]  # fmt: skip
    return lambda command: options[0](options[1](command))


def raw_option(command: Command) -> Command:
    """The flag `--raw`."""
    option = click.option("--raw", is_flag=True,
                          help="Of an exported graph, one node for each operation of the file,"
                          " nothing put together.")  # fmt: skip
    return option(command)


def json_option(command: Command) -> Command:
    """The flag `--json`."""
    option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    return option(command)


def read_graph(file: str, settings: tuple[str, ...], raw: bool = False) -> Graph:
    """Read the graph that a command names; `-` is stdin.

    Raises:
        OpgraphError: it cannot be read, or a setting does not fit.
    """
    from opgraph.api import read

    if file == "-":
        text = sys.stdin.buffer.read().decode("utf-8-sig", "replace")
        if not text.strip():
            hint = "write at least one edge: a -> b"
            raise ParseError("nothing came from stdin", hint=hint)
        graph = read(text, name="stdin", is_path=False)
    else:
        graph = read(file, is_path=True, raw=raw)
    return graph.set(*settings) if settings else graph


def analyzed(
    file: str,
    settings: tuple[str, ...],
    input_shape: Shape | None,
    classes: int | None,
    raw: bool = False,
) -> Analysis:
    """Read a graph and find out everything about it; what is wrong stands in `errors`."""
    return read_graph(file, settings, raw).analyze(input_shape, classes)
