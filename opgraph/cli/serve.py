"""`opgraph serve`: reports of runs in the browser, while they go on."""

from __future__ import annotations

import click


@click.command(epilog="Example: opgraph serve runs/first")
@click.argument("path", default="runs", metavar="RUN|DIR")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Any free one by default.")
@click.option("--lang", default="en", show_default=True, metavar="en|zh", help="Opens in it.")
def command(path: str, port: int, lang: str) -> int:
    """Show a run, or the runs below a folder, in the browser; a run in progress updates itself.

    Only this machine can reach it, only with the token in the address, and only to read. Ctrl-C
    ends it.
    """
    from opgraph.api.serving import serve

    serve(path, port=port, lang=lang, notify=_told)
    return 0


def _told(address: str) -> None:
    click.echo(f"open {address} (Ctrl-C ends it)", err=True)
