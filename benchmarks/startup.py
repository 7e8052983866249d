"""How long opgraph takes to start: whole processes, interleaved, medians.

Bars: `import opgraph` under 50 ms beyond an empty interpreter; `opgraph show` as a whole process
within 0.4 s of `python -c "import networkx"`, TensorFlow not imported.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
SAMPLE = str(ROOT / "sample_graphs" / "cnn.txt")
ROUNDS = 15
# As a user has it: modules are compiled once and kept.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
CASES = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import opgraph": [sys.executable, "-c", "import opgraph"],
    "import networkx": [sys.executable, "-c", "import networkx"],
    "opgraph show cnn.txt": [sys.executable, "-m", "opgraph", "show", SAMPLE],
    "opgraph check cnn.txt": [sys.executable, "-m", "opgraph", "check", SAMPLE],
    "opgraph draw cnn.txt": [sys.executable, "-m", "opgraph", "draw", SAMPLE, "-o", "-"],
    "opgraph --help": [sys.executable, "-m", "opgraph", "--help"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT)
    return time.perf_counter() - start


def main() -> None:
    taken: dict[str, list[float]] = {name: [] for name in CASES}
    for command in CASES.values():
        seconds(command)
    for _ in range(ROUNDS):
        for name, command in CASES.items():
            taken[name].append(seconds(command))
    medians = {name: statistics.median(values) for name, values in taken.items()}
    empty, networkx = medians["python -c pass"], medians["import networkx"]
    print(
        f"whole processes, median of {ROUNDS} interleaved rounds; python {sys.version.split()[0]},"
    )
    print(f"{platform.processor() or platform.machine()}; command: python benchmarks/startup.py\n")
    print(f"{'':24}{'seconds':>9}{'- empty':>9}{'- networkx':>12}")
    for name, value in medians.items():
        print(f"{name:24}{value:9.3f}{value - empty:9.3f}{value - networkx:12.3f}")
    importing = medians["import opgraph"] - empty
    showing = medians["opgraph show cnn.txt"] - networkx
    print(f"\nimport opgraph: {importing * 1000:.0f} ms (bar 50) {_verdict(importing <= 0.05)}")
    print(f"show beyond networkx: {showing:.2f} s (bar 0.40) {_verdict(showing <= 0.4)}")


def _verdict(good: bool) -> str:
    return "met" if good else "NOT MET"


if __name__ == "__main__":
    main()
