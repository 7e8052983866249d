"""The documentation of rules as Markdown: the page of each, and the index of all.

`opgraph check --explain OG101` prints a page; `docs/reference/lint` holds all of them.
"""

from __future__ import annotations

import textwrap

from opgraph.analysis import analyze
from opgraph.rules import Known, Rule, lint, rules
from opgraph.text import parse

WIDTH = 100


def rule_page(rule: Rule) -> str:
    """What a rule looks for, why, what to do, and two examples, run as they stand."""
    example = rule.example
    default = "on by default" if rule.is_default else "off by default (opinionated)"
    good_known = example.good_known or example.known
    parts = [
        f"# {rule.code}: {rule.title}",
        f"{rule.severity} · family {rule.family} · {default}",
        _wrapped(rule.why),
        f"**What to do.** {rule.fix}",
        "## Fires",
        _shown(rule, example.bad, example.known, example.said),
        "## Does not fire",
        _shown(rule, example.good, good_known, example.good_said or example.said),
        "All rules: [index](README.md)",
    ]
    return "\n\n".join(_wrapped(part) if part[0] == "*" else part for part in parts) + "\n"


def rules_index() -> str:
    """A table of all rules."""
    head = [
        "# Lint rules",
        "",
        "What `opgraph check FILE --lint` looks for; how to use it:"
        " [docs/howto/lint.md](../../howto/lint.md).",
        "",
        "| code | severity | default | looks for |",
        "|---|---|---|---|",
    ]
    rows = [
        f"| [{rule.code}]({rule.code}.md) | {rule.severity} | {'on' if rule.is_default else 'off'}"
        f" | {rule.title} |"
        for rule in rules()
    ]
    foot = [
        "",
        "The severity is that of most findings; some findings of OG401 and OG403 have another one,",
        "as their pages say.",
    ]
    return "\n".join([*head, *rows, *foot]) + "\n"


def _shown(rule: Rule, text: str, known: Known, said: str) -> str:
    """An edge list, what is known besides, and what the rule says of it."""
    report = lint(analyze(parse(text, "example")), known, [rule])
    lines = [f"```edge-list\n{text}\n```"]
    if said:
        lines.append(_wrapped(f"Known besides: {said}."))
    lines += [_wrapped(f"`{f.node}` ({f.severity}): {f.problem}.") for f in report.findings]
    return "\n\n".join(lines)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
