"""`opgraph convert`: a graph in another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opgraph.cli.options import analyzed, graph_options, raw_option

if TYPE_CHECKING:
    from opgraph.ops import Shape


@click.command(epilog="Example: opgraph convert network.txt model.py")
@graph_options
@raw_option
@click.argument("output")
def command(
    file: str,
    settings: tuple[str, ...],
    input_shape: Shape | None,
    classes: int | None,
    raw: bool,
    output: str,
) -> int:
    """Write a graph in the format that OUTPUT's suffix names.

    .txt is an edge list, .json opgraph's own form, .nx.json networkx's node-link form, .graphml
    GraphML, .dot DOT, .mmd Mermaid, .py Keras source, .keras a Keras model, with the weights of
    FILE if it has some. Attributes that the file leaves out are completed first.
    """
    from opgraph.api.saving import has_weights, save

    analysis = analyzed(file, settings, input_shape, classes, raw).require()
    is_model = output.lower().endswith(".keras")
    said = save(analysis.graph, Path(output), is_model and has_weights(analysis.graph))
    click.echo(f"wrote {output} ({len(analysis.graph)} nodes)", err=True)
    if said:
        click.echo(said, err=True)
    return 0
