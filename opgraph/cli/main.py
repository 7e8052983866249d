"""The `opgraph` command: finds the subcommand; turns errors into one message and an exit code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from opgraph.cli.console import prepare_streams, print_error
from opgraph.errors import OpgraphError
from opgraph.version import __version__

COMMANDS = {
    "check": "Find everything that is wrong with a graph, or suspicious (--lint).",
    "show": "Print the table of a graph: shapes, parameters, cost.",
    "draw": "Draw a graph as a picture.",
    "trace": "Train a graph and measure every node at every step.",
    "debug": "Debug a training: step, break on a condition, go back, look at any number.",
    "requery": "Ask a recorded training what was not recorded.",
    "branch": "Train on from a step of a recorded training, with something changed.",
    "diff": "Say how two graphs differ, or two recorded trainings.",
    "compare": "Compare models by their values; name the first node that differs.",
    "runs": "List recorded trainings, and remove those no longer needed.",
    "report": "Write a recorded training as one page to look through.",
    "serve": "Show runs in the browser while they go on.",
    "curves": "Draw quantities of a recorded training over its steps.",
    "animate": "Draw the graph of a recorded training over its steps.",
    "inspect": "Show the exact tensors of any step of a recorded training.",
    "explain": "Explain how one training step came to its numbers.",
    "follow": "Follow one weight or output through the steps of a recorded training.",
    "lesson": "Make a lesson on a network for a class, with questions and a worksheet.",
    "export": "Write a recorded training for other tools.",
    "evaluate": "Test a recorded training on held-out data.",
    "predict": "Classify images with a recorded training.",
    "convert": "Write a graph in another format, Keras source included.",
    "verify": "Prove on a network of your own that measuring changes nothing.",
    "kernel": "Say how statistics are computed, or compile the kernel for it.",
    "ops": "List the known operations, or explain one.",
}
INTERRUPTED = 130


class _Commands(click.Group):
    """Subcommands that are imported when they are asked for, with did-you-mean."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"opgraph.cli.{cmd_name}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from opgraph.errors import suggest

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = suggest(args[0], COMMANDS)
            hint = near or f"commands: {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: opgraph show network.txt",
)
@click.version_option(__version__, message="opgraph %(version)s")
def cli() -> None:
    """Read a neural network as a graph of operations; check, draw, train and measure it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the words after `opgraph`; those of the process when left out.

    Returns:
        The exit code: 0 good, 1 the answer is no, 2 bad input.
    """
    prepare_streams()
    try:
        result = cli.main(arguments, prog_name="opgraph", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except OpgraphError as error:
        print_error(error)
        return 2
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def entry() -> None:
    """Entry point of the installed script."""
    sys.exit(main())
