"""What `opgraph inspect --nan` prints: where numbers stopped being finite, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opgraph.cli.console import console, print_json
from opgraph.cli.quiet import without_startup_talk

if TYPE_CHECKING:
    from opgraph.record import TensorFacts
    from opgraph.runtime import Autopsy


def show_autopsy(run: str, step: int | None, unverified: bool, as_json: bool) -> int:
    """Find and print it.

    Raises:
        OpgraphError: there is no such step, or it cannot be had again.
    """
    from opgraph.api import open_run
    from opgraph.cli.inspect import told

    opened = open_run(run)
    if step is not None:
        opened.record.check_step(step)
    without_startup_talk()
    found = opened.autopsy(step, unverified=unverified, notify=told)
    if as_json:
        print_json(None if found is None else found.as_dict())
    elif found is None:
        where = "every step" if step is None else f"step {step}"
        console().print(f"all numbers of {where} are finite", markup=False)
    else:
        console().print("\n".join(_lines(found)), markup=False, soft_wrap=True)
    return 0


def _lines(found: Autopsy) -> list[str]:
    proof = "verified" if found.verified else "NOT VERIFIED"
    who = f"the loss at {found.node}" if found.phase == "loss" else f"{found.node} ({found.op})"
    lines = [
        f"step {found.step} ({proof}): numbers stop being finite at {who}, {found.phase}",
        f"{found.tensor}: {_counted(found.facts)}",
    ]
    for name, facts in found.read.items():
        lines.append(f"  made from {name}: {_range(facts)}")
    for element in found.elements:
        place = ", ".join(map(str, element.place))
        source = ", ".join(f"{name} {value:.6g}" for name, value in element.made_from.items())
        lines.append(f"  [{place}] is {element.value}" + (f", from {source}" if source else ""))
    if found.examples:
        lines.append(f"  examples of the training data: {', '.join(map(str, found.examples))}, ...")
    quantity, values = found.past
    if len(values) > 1:
        row = ", ".join(f"{value:.3g} (step {step})" for step, value in values)
        lines.append(f"{found.node}.output {quantity} before: {row}")
    return [*lines, *(f"usual cause: {cause}" for cause in found.causes)]


def _counted(facts: TensorFacts) -> str:
    return f"{facts.nan:,} NaN and {facts.inf:,} infinite of {facts.count:,} elements"


def _range(facts: TensorFacts) -> str:
    if facts.min is None or facts.max is None:
        return _counted(facts)
    bad = f", {_counted(facts)}" if facts.nonfinite else ", all finite"
    return f"{facts.min:.6g} to {facts.max:.6g}{bad}"
