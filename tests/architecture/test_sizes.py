"""Files and functions stay small enough to be read: 300 code lines a file, 40 a function."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "opgraph"
FILE_LIMIT, FUNCTION_LIMIT = 300, 40
EXCEPTIONS: dict[str, str] = {}  # path or path::function -> why it may be longer
FILES = sorted(ROOT.rglob("*.py"))


def code_lines(node: ast.AST, lines: list[str], first: int, last: int) -> int:
    """Lines that are neither blank, nor comment, nor docstring."""
    documented = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    skipped: set[int] = set()
    for part in ast.walk(node):
        if isinstance(part, documented) and ast.get_docstring(part, clean=False) is not None:
            text = part.body[0]
            skipped |= set(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    numbers = range(first, last + 1)
    return sum(
        1
        for n in numbers
        if n not in skipped and lines[n - 1].strip() and not lines[n - 1].strip().startswith("#")
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_small(path):
    text = path.read_text(encoding="utf-8")
    tree, lines, name = ast.parse(text), text.splitlines(), str(path.relative_to(ROOT))
    if name not in EXCEPTIONS:
        assert code_lines(tree, lines, 1, len(lines)) <= FILE_LIMIT
    for part in ast.walk(tree):
        if not isinstance(part, ast.FunctionDef) or f"{name}::{part.name}" in EXCEPTIONS:
            continue
        length = code_lines(part, lines, part.lineno, part.end_lineno or part.lineno)
        assert length <= FUNCTION_LIMIT, f"{name}::{part.name} has {length} code lines"


def test_the_count_leaves_out_docstrings_and_comments():
    text = 'def f():\n    """Doc.\n\n    More.\n    """\n    # why\n    return 1\n'
    tree = ast.parse(text)
    assert code_lines(tree, text.splitlines(), 1, 7) == 2
