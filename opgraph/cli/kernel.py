"""`opgraph kernel`: the statistics kernel, whether it is compiled, and compiling it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opgraph.cli.console import console, print_json
from opgraph.cli.options import json_option
from opgraph.cli.quiet import without_startup_talk

if TYPE_CHECKING:
    from opgraph.runtime.kernels import KernelStatus

CANNOT = "cannot be had here"
INSTEAD = "TensorFlow's ops make the statistics instead: the same numbers, slower"
LATER = "not compiled yet: the first training does it, or opgraph kernel --build"


@click.command(epilog="Example: opgraph kernel --build")
@click.option("--build", is_flag=True, help="Compile it now, anew if that has been done.")
@json_option
def command(build: bool, as_json: bool) -> int:
    """Tell about the kernel that makes the statistics of a training; compile it.

    It is C++ that comes with opgraph and is compiled once for the installed TensorFlow. Exits with
    1 where it cannot be had; trainings then do without.
    """
    from opgraph.api.extras import needed_for

    without_startup_talk()
    with needed_for("the statistics kernel"):
        from opgraph.runtime.kernels import build_kernel, kernel_status
    status = build_kernel(force=True) if build else kernel_status()
    if as_json:
        print_json(status.as_dict())
    else:
        for line in told(status):
            console().print(line, soft_wrap=True, markup=False)
    return 1 if status.problem else 0


def told(status: KernelStatus) -> list[str]:
    """What is known of the kernel, in lines."""
    words = {"compiled": "compiled", "not compiled": LATER, "unavailable": CANNOT}
    first, *others = status.instruction_sets or ("",)
    sets = ", ".join([f"{first} (used)", *others]) if first else None
    rows = {
        "problem": status.problem,
        "instead": INSTEAD if status.problem else None,
        "instructions": sets,
        "compiler": status.compiler and f"{status.compiler} · {status.compiler_version}",
        "library": status.library,
        "folder": None if status.library else status.folder,
    }
    lines = [f"statistics kernel for TensorFlow {status.tensorflow}: {words[status.state]}"]
    return lines + [f"  {name:<14}{value}" for name, value in rows.items() if value]
