"""The default rules over all models of `keras.applications`: no errors, and the page that tells.

The models are made without a single weight: their structure is all that the rules look at.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.tf

import opgraph  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "lint" / "keras-applications.md"
ROW = re.compile(r"^\| `(\w+)` \|.*$", re.MULTILINE)
CODE = re.compile(r"OG\d{3}")
SMALLEST = (
    "MobileNetV3Small",
    "MobileNetV2",
    "MobileNet",
    "NASNetMobile",
    "EfficientNetB0",
    "MobileNetV3Large",
)
OPEN_SIZE = ("MobileNetV3Small", "MobileNetV3Large")
MODELS = [name for name in dir(keras.applications) if name[0].isupper()]


def structure(name: str) -> Any:
    """A model at its own input size, or 224 where it leaves that open; no variable gets a value."""
    keras.backend.clear_session()
    size = {"input_shape": (224, 224, 3)} if name in OPEN_SIZE else {}
    with keras.StatelessScope(initialize_variables=False):
        return getattr(keras.applications, name)(weights=None, **size)


def row(name: str) -> str:
    """What the page says of a model; a finding that is an error fails the test at once."""
    model = structure(name)
    graph = opgraph.from_keras(model)
    report = graph.lint()
    assert [found for found in report.findings if found.severity == "error"] == []
    size = "×".join(map(str, model.input_shape[1:3]))
    kinds = [_kinds(report, severity) for severity in ("warning", "info")]
    return f"| `{name}` | {size} | {len(graph.nodes):,} | {' | '.join(kinds)} |"


def _kinds(report: Any, severity: str) -> str:
    counts = Counter(found.code for found in report.findings if found.severity == severity)
    return ", ".join(f"{code} ×{count}" for code, count in sorted(counts.items())) or "none"


def page_rows() -> dict[str, str]:
    return {match[1]: match[0] for match in ROW.finditer(PAGE.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("name", [*SMALLEST, "ResNet50"])
def test_the_small_ones_have_no_error_and_their_rows_are_current(name):
    assert page_rows()[name] == row(name)


@pytest.mark.slow
def test_no_model_has_an_error_and_the_table_is_current(request):
    rows = {name: row(name) for name in MODELS}
    if request.config.getoption("--rewrite-golden"):
        head, table = "|---|---|---|---|---|\n", "\n".join(rows.values())
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(head)
        after = rest[rest.index("\n\n") :]
        PAGE.write_text(before + head + table + after, encoding="utf-8")
    assert page_rows() == rows, "rewrite it: pytest --rewrite-golden"


def test_every_model_has_a_row_and_every_kind_a_reason():
    text = PAGE.read_text(encoding="utf-8")
    assert list(page_rows()) == MODELS
    reasons = set(re.findall(r"^## \[(OG\d{3})\]", text, re.MULTILINE))
    assert set(CODE.findall("".join(page_rows().values()))) == reasons
