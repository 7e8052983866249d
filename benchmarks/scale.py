"""Parse and analyse generated ResNet-like edge lists of 1k, 10k and 100k nodes.

Each size runs in a process of its own, so that its peak memory is its own. Bars: linear in nodes;
100k within 5 s and 1 GB.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

SIZES = (1_000, 10_000, 100_000)
ROUNDS = 3


def measure(nodes: int) -> dict[str, float]:
    """Seconds for parsing and analysing, and the peak memory, of this process."""
    import resource

    from generate import resnet_like

    from opgraph.analysis import analyze
    from opgraph.text import parse

    text = resnet_like(nodes)
    start = time.perf_counter()
    graph = parse(text)
    parsed = time.perf_counter()
    analysis = analyze(graph)
    analysed = time.perf_counter()
    assert not analysis.errors
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "nodes": len(graph),
        "parse": parsed - start,
        "analyse": analysed - parsed,
        "megabytes": peak,
    }


def main() -> None:
    print(f"parse + analyse, best of {ROUNDS} processes; {platform.machine()}, python "
          f"{sys.version.split()[0]}; command: python benchmarks/scale.py\n")  # fmt: skip
    print(f"{'nodes':>8}{'parse s':>10}{'analyse s':>11}{'total s':>9}{'us/node':>9}{'MB':>7}")
    last: dict[str, float] = {}
    for size in SIZES:
        rounds = [json.loads(_child(size)) for _ in range(ROUNDS)]
        last = min(rounds, key=lambda row: row["parse"] + row["analyse"])
        total = last["parse"] + last["analyse"]
        print(f"{last['nodes']:8.0f}{last['parse']:10.2f}{last['analyse']:11.2f}{total:9.2f}"
              f"{total / last['nodes'] * 1e6:9.1f}{last['megabytes']:7.0f}")  # fmt: skip
    total = last["parse"] + last["analyse"]
    good = total <= 5 and last["megabytes"] <= 1024
    print(f"\n100k: {total:.2f} s, {last['megabytes']:.0f} MB (bars 5 s, 1024 MB)"
          f" {'met' if good else 'NOT MET'}")  # fmt: skip


def _child(size: int) -> str:
    command = [sys.executable, __file__, str(size)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))
    else:
        main()
