"""Looking for what is suspicious in a graph: hands the user's words to the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from opgraph.errors import OpgraphError, suggest

if TYPE_CHECKING:
    from opgraph.analysis import Analysis
    from opgraph.rules import Known, Report


def lint(
    analysis: Analysis,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    everything: bool = False,
    target: str | None = None,
    loss: str | None = None,
    from_logits: bool | None = None,
    known: Known | None = None,
) -> Report:
    """Look for what is suspicious in a graph.

    Args:
        analysis: the facts of the graph.
        select: codes or globs (`"OG1*"`) of the only rules to run.
        ignore: codes or globs of rules to leave out.
        everything: run also the rules that are off by default.
        target: the runtime that the network is meant for: `"litert"` or `"onnxruntime"`.
        loss: the loss that it is trained with, by Keras's name.
        from_logits: whether that loss takes scores; False where only the loss is given.
        known: further facts that the graph does not say; the arguments above win.

    Raises:
        OpgraphError: no rule has such a code, or there is no such target.
    """
    from opgraph.rules import TARGETS, Known, choose
    from opgraph.rules import lint as run_rules

    facts = known or Known()
    if target is not None:
        if target not in TARGETS:
            hint = suggest(target, TARGETS) or f"targets: {', '.join(TARGETS)}"
            raise OpgraphError(f"no target is called {target!r}", hint=hint)
        facts = replace(facts, target=TARGETS[target])
    if loss is not None:
        facts = replace(facts, loss=loss, from_logits=bool(from_logits))
    return run_rules(analysis, facts, choose(select, ignore, everything))
