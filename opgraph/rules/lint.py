"""Running rules over a graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from opgraph.analysis import Analysis
from opgraph.rules.finding import SEVERITIES, Finding, Severity
from opgraph.rules.registry import Rule, choose
from opgraph.rules.view import Known, View


@dataclass(frozen=True)
class Report:
    """All findings of a graph.

    Attributes:
        findings: the gravest first; then in topological order; then by code.
        rules: those that were run.
    """

    findings: tuple[Finding, ...]
    rules: tuple[Rule, ...]

    def count(self, severity: Severity) -> int:
        """How many findings have this severity."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found that cannot be meant."""
        return not self.count("error")


def lint(
    analysis: Analysis, known: Known | None = None, rules: Iterable[Rule] | None = None
) -> Report:
    """Look for what is suspicious in a graph.

    Args:
        analysis: its facts; shapes that do not fit are a finding like others.
        known: what the graph does not say by itself.
        rules: the rules to run; those that are on by default when left out.

    >>> from opgraph.analysis import analyze
    >>> from opgraph.errors import Source
    >>> from opgraph.text import parse
    >>> text = "x: Input(shape=(4,)) -> fc[units=2] -> softmax_1 -> softmax_2"
    >>> report = lint(analyze(parse(Source("text", text))))
    >>> [(found.code, found.node) for found in report.findings]
    [('OG202', 'softmax_2')]
    """
    chosen = choose() if rules is None else tuple(rules)
    view = View(analysis, known or Known())
    found = [finding for rule in chosen for finding in rule.find(view)]
    rank = {name: at for at, name in enumerate(analysis.facts)}
    found.sort(key=lambda f: (SEVERITIES.index(f.severity), rank.get(f.node, -1), f.code))
    return Report(tuple(found), chosen)
