"""What is suspicious about a network, told from its graph alone: rules, one file per family.

Knows graphs and their analysis; runs nothing, prints nothing, and must not know what is recorded,
drawn or trained. What a graph does not say is handed over as `Known`; a rule without it is silent.
"""

from opgraph.rules.finding import SEVERITIES, Finding, Severity
from opgraph.rules.lint import Report, lint
from opgraph.rules.registry import Example, Rule, choose, require_rule, rules
from opgraph.rules.targets import TARGETS, Target
from opgraph.rules.view import Known, View

__all__ = [
    "SEVERITIES",
    "TARGETS",
    "Example",
    "Finding",
    "Known",
    "Report",
    "Rule",
    "Severity",
    "Target",
    "View",
    "choose",
    "lint",
    "require_rule",
    "rules",
]
