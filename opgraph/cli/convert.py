"""`opgraph convert`: a graph in another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opgraph.cli.options import analyzed, graph_options, raw_option
from opgraph.cli.quiet import without_startup_talk

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
    from opgraph.api.saving import has_weights, is_model, save

    analysis = analyzed(file, settings, input_shape, classes, raw).require()
    target = Path(output)
    if is_model(target):
        without_startup_talk()
    said = save(analysis.graph, target, is_model(target) and has_weights(analysis.graph))
    click.echo(f"wrote {output} ({len(analysis.graph)} nodes)", err=True)
    if said:
        click.echo(said, err=True)
    return 0
