"""Every example in the docs runs: Python blocks, console blocks and edge lists."""

import doctest
import re
import shlex
import shutil
from pathlib import Path

import pytest

from opgraph import ops
from opgraph.cli import console, main
from opgraph.ops import registry
from opgraph.text import parse

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```", re.M | re.S)


def blocks(kind: str, *, needs_tf: bool = False) -> list:
    """All fenced blocks of one kind; `tf` in the info string says that they train."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            words = match[1].split()
            if words[:1] == [kind] and ("tf" in words) == needs_tf:
                line = text[: match.start()].count("\n") + 2
                found.append(pytest.param(match[2], id=f"{page.relative_to(ROOT)}:{line}"))
    return found


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """A folder of its own, with the sample graphs where the docs expect them."""
    shutil.copytree(ROOT / "sample_graphs", tmp_path / "sample_graphs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    console.console.cache_clear()
    yield
    console.console.cache_clear()


@pytest.fixture(autouse=True)
def known_ops():
    """Examples may add ops of their own; afterwards they are gone."""
    list(ops.kinds())
    tables = (registry._BY_KIND, registry._BY_ALIAS)
    kept = [dict(table) for table in tables]
    yield
    for table, before in zip(tables, kept, strict=True):
        table.clear()
        table.update(before)
    ops.guess.cache_clear()


@pytest.mark.parametrize("code", blocks("python"))
def test_python(code):
    exec(compile(code, "<docs>", "exec"), {"__name__": "docs"})


@pytest.mark.tf
@pytest.mark.parametrize("code", blocks("python", needs_tf=True))
def test_python_that_trains(code):
    exec(compile(code, "<docs>", "exec"), {"__name__": "docs"})


@pytest.mark.parametrize("text", blocks("edge-list"))
def test_edge_list(text):
    assert len(parse(text))


def run_console(block: str, capsys) -> None:
    """Run each `$ opgraph ...` line and compare what follows it with the output."""
    checker = doctest.OutputChecker()
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, _, expected = part.partition("\n")
        words = shlex.split(command, comments=True)
        assert words[0] == "opgraph", f"only opgraph commands are run: {command}"
        main(words[1:])
        captured = capsys.readouterr()
        printed = captured.out + captured.err
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        if expected.strip() and expected.strip() != "...":
            assert checker.check_output(expected, printed, flags), f"$ {command}\n{printed}"


@pytest.mark.parametrize("block", blocks("console"))
def test_console(block, capsys):
    run_console(block, capsys)


@pytest.mark.tf
@pytest.mark.parametrize("block", blocks("console", needs_tf=True))
def test_console_that_trains(block, capsys):
    run_console(block, capsys)


def test_links_inside_the_docs_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} -> {target}"


def test_there_are_examples():
    """The extraction is not empty by accident."""
    assert len(blocks("python")) >= 2
    assert len(blocks("edge-list")) >= 3
