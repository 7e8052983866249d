"""`opgraph report`: a recorded training as one page to look through."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(epilog="Example: opgraph report runs/first -o report.html")
@click.argument("run", metavar="RUN")
@click.option("-o", "--output", help="The .html file to write; RUN/report.html when left out.")
@click.option("--lang", default="en", show_default=True, metavar="en|zh", help="Opens in it.")
def command(run: str, output: str | None, lang: str) -> int:
    """Write a recorded training as one HTML page: its graph, its curves, every node at every step.

    The page holds all it needs and loads nothing: it can be opened from the disk, sent by mail, and
    looked at offline.
    """
    from opgraph.api import open_run

    opened = open_run(run)
    target = Path(output) if output is not None else opened.path / "report.html"
    page = opened.report(target, lang=lang)
    size = len(page.html.encode("utf-8")) / 1e6
    click.echo(f"wrote {target} ({size:.1f} MB): open it in a browser", err=True)
    return 0
