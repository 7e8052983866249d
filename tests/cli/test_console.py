"""What is printed where the console lacks the characters."""

import subprocess
import sys

import pytest

PRINT = "from opgraph.cli.console import prepare_streams; prepare_streams(); print({text!r})"


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("0.5 × (−2) − √(9) / ‖w‖", "0.5 * (-2) - sqrt(9) / |w|"),
        ("Σ(i) x[i] × w[i] + 0.25 [Σ 12]", "sum(i) x[i] * w[i] + 0.25 [sum 12]"),
        ("a 3×3 kernel, 32×32×3, ×2", "a 3x3 kernel, 32x32x3, x2"),
        ("✓ 0 (± 1e-9)", "ok 0 (+- 1e-9)"),
    ],
)
def test_formulas_stay_arithmetic_in_ascii(text, printed):
    done = subprocess.run(
        [sys.executable, "-c", PRINT.format(text=text)],
        capture_output=True, text=True, check=True, env={"PYTHONIOENCODING": "ascii", "PATH": ""},
    )  # fmt: skip
    assert done.stdout == printed + "\n"
