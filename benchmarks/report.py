"""How large the report of a run is, how long it takes to write, and how soon a browser shows it.

python benchmarks/report.py [--nodes 500] [--steps 10000] [--run DIRECTORY]
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OPENINGS = 5


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def make_run(folder: Path, nodes: int, steps: int) -> Path:
    """A run of so many nodes and steps, of arrays alone."""
    from opgraph.text import parse

    made = load(ROOT / "tests" / "render" / "report" / "made.py")
    text = load(ROOT / "benchmarks" / "generate.py").resnet_like(nodes)
    made.write_run(folder / "run", parse(text), steps)
    return folder / "run"


def write_report(run: Path, target: Path) -> float:
    """Write the report of a run; seconds that it took."""
    from opgraph.api import open_run

    start = time.perf_counter()
    open_run(run).report(target)
    return time.perf_counter() - start


def open_times(page: Path) -> list[float]:
    """Seconds from asking for the page until its first chart is drawn, each in a new browser."""
    from playwright.sync_api import sync_playwright

    found: list[float] = []
    with sync_playwright() as playwright:
        for _ in range(OPENINGS):
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            tab = browser.new_page(viewport={"width": 1440, "height": 900})
            start = time.perf_counter()
            tab.goto(page.as_uri())
            tab.wait_for_selector("html[data-ready=yes]")
            tab.wait_for_selector("[data-drawn=yes]")
            found.append(time.perf_counter() - start)
            browser.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--run", type=Path, help="a run that is there already")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = options.run or make_run(folder, options.nodes, options.steps)
        target = folder / "report.html"
        seconds = write_report(run, target)
        times = open_times(target)
        print(f"written in {seconds:.1f} s, {target.stat().st_size / 1e6:.1f} MB")
        print(f"opened in {statistics.median(times):.2f} s (median of {len(times)}, "
              f"{min(times):.2f} to {max(times):.2f})")  # fmt: skip


if __name__ == "__main__":
    main()
