"""Reading an edge list: draft, names, graph, and everything that is wrong in one go."""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePath

from opgraph.collector import collector_paused
from opgraph.errors import Source
from opgraph.graph import OpGraph
from opgraph.text.assemble import assemble
from opgraph.text.findings import Findings, TooManyFindings
from opgraph.text.names import settle_names
from opgraph.text.parser import read_draft


def parse(source: Source | str, name: str | None = None) -> OpGraph:
    """Read a graph from the text of an edge list.

    Args:
        source: the text; from a file, as `read_source` gives it, or plain.
        name: what to call the graph; the stem of the file's name when left out.

    Raises:
        OpgraphError: what is wrong with it; several findings at once as `Problems`.

    >>> graph = parse("image -> conv_1[filters=8] -> relu_1 -> 全局平均池化 -> fc")
    >>> [node.kind.kind for node in graph]
    ['Input', 'Conv2D', 'ReLU', 'GlobalAveragePooling2D', 'Dense']
    """
    if isinstance(source, str):
        source = Source(name or "graph", source)
    findings = Findings(source)
    graph = OpGraph([], [])
    with collector_paused(), suppress(TooManyFindings):
        graph = _read(source, findings, name or PurePath(source.name).stem or "graph")
    findings.raise_all()
    return graph


def _read(source: Source, findings: Findings, name: str) -> OpGraph:
    """All steps; a function of its own, so that the draft is gone before the collector goes on."""
    draft = read_draft(source, findings)
    settle_names(draft, findings)
    return assemble(draft, findings, name)
