"""What a rule found: frozen data with a code, a severity, a node and a place; not an error.

An error stops; a finding only tells (docs/decisions/0002-errors-are-findings.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from opgraph.errors import Place

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found.

    Attributes:
        code: of the rule, such as OG101.
        severity: error (it cannot be meant), warning (it is probably not meant), info (good to
            know).
        node: the node concerned.
        title: what the rule looks for, the same for all its findings.
        problem: what was found at this node, in one line.
        why: why it matters.
        fix: what to do.
        place: where the node was written, if it was.
    """

    code: str
    severity: Severity
    node: str
    title: str
    problem: str
    why: str
    fix: str
    place: Place | None = None

    def as_dict(self) -> dict[str, object]:
        """The finding as plain data, for `--json`."""
        names = ("code", "severity", "node", "title", "problem", "why", "fix")
        data: dict[str, object] = {name: getattr(self, name) for name in names}
        if self.place:
            name = self.place.source.name
            data |= {"file": name, "line": self.place.line, "column": self.place.column}
        return data
