"""A graph with its facts as a `graphviz.Digraph`, for those who go on from there in Graphviz.

The only module that imports `graphviz`.
"""

from __future__ import annotations

import graphviz

from opgraph.analysis import Analysis, NodeFacts
from opgraph.render.attributes import defining_attrs
from opgraph.render.captions import tooltip
from opgraph.render.cleaning import clean
from opgraph.render.theme import THEMES, Theme
from opgraph.render.wording import count_text, shape_text


def build_digraph(analysis: Analysis) -> graphviz.Digraph:
    """The digraph; nodes are `n0`, `n1`, ... in the order in which they were written."""
    theme = THEMES["light"]
    digraph = graphviz.Digraph(clean(analysis.graph.name))
    digraph.attr("graph", rankdir="TB", fontname="Helvetica")
    digraph.attr("node", shape="box", style="filled,rounded", fontname="Helvetica", fontsize="11")
    digraph.attr("edge", fontname="Helvetica", fontsize="9", color=theme.edge, arrowsize="0.6")
    idents = {name: f"n{index}" for index, name in enumerate(analysis.graph.nodes)}
    for name, ident in idents.items():
        facts = analysis[name]
        digraph.node(
            ident, label=_label(facts), tooltip=_escaped(tooltip(facts)), **_look(facts, theme)
        )
    for edge in analysis.graph.edges:
        outputs = analysis[edge.source].outputs
        shape = outputs[edge.port] if edge.port < len(outputs) else None
        digraph.edge(idents[edge.source], idents[edge.target], label=shape_text(shape))
    return digraph


def _look(facts: NodeFacts, theme: Theme) -> dict[str, str]:
    if facts.error:
        return {"color": theme.error, "fillcolor": theme.error_fill, "fontcolor": theme.error_text}
    category = facts.node.kind.category
    return {"color": theme.categories[category], "fillcolor": theme.fill(category)}


def _label(facts: NodeFacts) -> str:
    node = facts.node
    attrs = " · ".join(attr.text for attr in defining_attrs(node))
    lines = [node.name, node.label, f"{node.kind.kind} {attrs}".rstrip()]
    lines.append(facts.error.problem if facts.error else ", ".join(map(shape_text, facts.outputs)))
    if facts.total_params:
        lines.append(f"{count_text(facts.total_params)} params")
    return "\\n".join(_escaped(clean(line)) for line in lines if line)


def _escaped(text: str) -> str:
    """Literal text: no escape sequences, no HTML-like labels."""
    literal = text.replace("\\", "\\\\").replace("\n", "\\n")
    return graphviz.nohtml(literal)
