"""`opgraph debug`: a session over a training, led from a terminal, a script or stdin."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opgraph.cli.options import read_graph
from opgraph.cli.quiet import without_startup_talk
from opgraph.cli.recomputing import recomputing_bar
from opgraph.cli.trace_options import NOT_IN_A_PLAN, TOPICS, Sections, gather

if TYPE_CHECKING:
    from opgraph.runtime.debugger import Session

PROMPT = "(opgraph) "
MOST_BYTES = 1 << 20
EXAMPLES = """\b
Examples:
  opgraph debug network.txt --data digits --steps 60
  opgraph debug runs/first --command 'break any.output.nonfinite > 0' --command continue
  opgraph debug network.txt -x script.txt
"""


def _training_options(function: Any) -> Any:
    """What a graph is trained with: the options of `trace` but those about its output."""
    topics = [topic for title, topic in TOPICS.items() if title != "Output"]
    for option in reversed([option for topic in topics for option in topic.values()]):
        function = option(function)
    return function


@click.command(cls=Sections, epilog=EXAMPLES)
@click.argument("target", metavar="FILE|RUN")
@_training_options
@click.option(
    "-x",
    "scripts",
    multiple=True,
    metavar="SCRIPT",
    type=click.Path(exists=True, dir_okay=False),
    help="Commands from a file, one a line; the session ends after them.",
)
@click.option("--command", "lines", multiple=True, metavar="COMMAND", help="A command; likewise.")
@click.option("-i", "--interactive", is_flag=True, help="Go on in the terminal after those.")
@click.option("--unverified", is_flag=True, help="Show steps of a run that come out different.")
def command(
    target: str,
    scripts: tuple[str, ...],
    lines: tuple[str, ...],
    interactive: bool,
    unverified: bool,
    **given: Any,
) -> int:
    """Debug a training: step, stop where a condition holds, go back, look at any number.

    FILE is a graph: it is trained in memory, as far as you go; nothing is written. RUN is the
    directory of a recorded run: its steps are computed again and compared with the record.
    """
    written = [*_read(scripts), *lines]
    session = _session(target, given, unverified)
    prepared = bool(scripts or lines)
    if prepared and not _lead(session, written):
        return 0
    if prepared and not interactive:
        return 0
    if sys.stdin.isatty():
        _converse(session, target)
    else:
        _lead(session, (line.rstrip("\n") for line in sys.stdin))
    return 0


def _session(target: str, given: Mapping[str, Any], unverified: bool) -> Session:
    from opgraph.api import debug
    from opgraph.api.debugging import is_run

    without_startup_talk()
    options = gather({"config": None, **given})
    for name in NOT_IN_A_PLAN:
        options.pop(name, None)
    if is_run(target):
        said = [name for name, value in options.items() if value not in (None, ())]
        if said:
            raise click.UsageError(f"a run knows how it was trained; leave out {', '.join(said)}")
        return debug(target, unverified=unverified, notify=_notify, progress=recomputing_bar)
    graph = read_graph(target, options.pop("settings", ()))
    options.pop("file", None)
    return debug(graph, notify=_notify, progress=recomputing_bar, **options)


def _read(scripts: Sequence[str]) -> Iterator[str]:
    """The lines of all scripts."""
    for script in scripts:
        with Path(script).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise click.UsageError(f"{script} is larger than {MOST_BYTES >> 20} MiB")
        yield from content.decode("utf-8-sig", "replace").splitlines()


def _lead(session: Session, lines: Iterable[str]) -> bool:
    """Do what lines say, each shown as if it were typed; whether the session goes on."""
    from opgraph.runtime.debugger import execute

    for line in lines:
        if not line.strip():
            continue
        click.echo(f"{PROMPT}{line.strip()}")
        reply = execute(session, line)
        if reply.text:
            click.echo(reply.text)
        if reply.is_over:
            return False
    return True


def _converse(session: Session, target: str) -> None:
    """Ask for commands until the user leaves."""
    from opgraph.cli.line_editor import make_reader
    from opgraph.runtime.debugger import again, complete, execute

    first, last = session.source.first, session.source.last
    click.echo(f"{target}: {len(session.graph)} nodes, steps {first} to {last}.")
    click.echo("Type 'step' to begin, 'help' for all commands, Tab to complete, Ctrl-D to leave.")
    ask = make_reader(lambda text: complete(session, text))
    while True:
        try:
            line = ask(PROMPT)
            reply = execute(session, line.strip() or again(session))
        except KeyboardInterrupt:
            click.echo()
            continue
        except EOFError:
            click.echo()
            return
        if reply.text:
            click.echo(reply.text)
        if reply.is_over:
            return


def _notify(line: str) -> None:
    click.echo(line, err=True)
