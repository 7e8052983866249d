"""`opgraph ops`: the known operations."""

from __future__ import annotations

import click

from opgraph.cli.console import console, print_json
from opgraph.cli.options import json_option


@click.command(epilog="Example: opgraph ops Conv2D")
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> int:
    """List the known operations, or explain one: attributes, inputs, other names."""
    from opgraph.ops import describe, kinds, require
    from opgraph.render import op_page, ops_table

    if name is not None:
        kind = require(name)
        if as_json:
            print_json(describe(kind))
        else:
            console().print(op_page(kind))
        return 0
    if as_json:
        print_json([describe(kind) for kind in kinds()])
    else:
        console().print(ops_table(list(kinds())))
    return 0
