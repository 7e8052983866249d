"""The options of `opgraph check` that have to do with lint, and what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opgraph.cli.console import console, print_json
from opgraph.cli.options import Command, by_comma

if TYPE_CHECKING:
    from opgraph.analysis import Analysis
    from opgraph.rules import Report

NAMES = ("select", "ignore", "everything", "target", "loss", "from_logits")


def _explain(ctx: click.Context, _param: click.Parameter, code: str | None) -> None:
    """Print a page and leave, whatever else was asked."""
    if code is None:
        return
    from opgraph.render import rule_page, rules_index
    from opgraph.rules import require_rule

    page = rules_index() if code.lower() == "all" else rule_page(require_rule(code))
    click.echo(page, nl=False)
    ctx.exit(0)


def lint_options(command: Command) -> Command:
    """The options of lint, from `--lint` on."""
    options = [
        click.option("--lint", "is_lint", is_flag=True,
                     help="Also look for what is suspicious: rules with a code each."),
        click.option("--select", multiple=True, metavar="CODE,...", callback=by_comma,
                     help="Run only these rules, as OG101 or 'OG1*'."),
        click.option("--ignore", multiple=True, metavar="CODE,...", callback=by_comma,
                     help="Leave these rules out."),
        click.option("--all", "everything", is_flag=True,
                     help="Run also the rules that are off by default."),
        click.option("--target", type=click.Choice(["litert", "onnxruntime"]),
                     help="The runtime that the network is meant for."),
        click.option("--loss", metavar="NAME",
                     help="The loss that it is trained with; a compiled .keras file says its own."),
        click.option("--from-logits", is_flag=True, default=None,
                     help="The loss takes scores, not probabilities."),
        click.option("--explain", metavar="CODE", is_eager=True, expose_value=False,
                     callback=_explain,
                     help="Print the page of a rule, or with `all` the list of them."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def refuse_without_lint(options: dict[str, Any]) -> None:
    """An option of lint without `--lint` is a mistake.

    Raises:
        click.UsageError: there is one.
    """
    for name in NAMES:
        if options[name]:
            flag = {"everything": "--all"}.get(name, f"--{name.replace('_', '-')}")
            raise click.UsageError(f"{flag} is for lint; add --lint")


def print_report(report: Report, title: str, as_json: bool, counts: tuple[int, int]) -> int:
    """Print the findings; the exit code is 1 if one of them is an error."""
    if as_json:
        print_json(
            {
                "ok": report.is_clean,
                "nodes": counts[0],
                "edges": counts[1],
                "errors": [],
                "findings": [found.as_dict() for found in report.findings],
                "rules": [rule.code for rule in report.rules],
            }
        )
    else:
        from opgraph.render import findings_table

        console().print(findings_table(report, title))
    return 0 if report.is_clean else 1


def lint_file(file: str, analysis: Analysis, options: dict[str, Any]) -> Report:
    """Run the rules on a graph that was read from a file, which may say its loss.

    Raises:
        OpgraphError: no rule has such a code.
    """
    from opgraph.api.linting import lint
    from opgraph.formats import read_loss

    given = {name: options[name] for name in NAMES}
    if given["from_logits"] and not given["loss"]:
        raise click.UsageError("--from-logits says something of a loss; add --loss NAME")
    if given["loss"] is None and file != "-" and (found := read_loss(Path(file))):
        given |= {"loss": found.name, "from_logits": found.from_logits}
    return lint(analysis, **given)
