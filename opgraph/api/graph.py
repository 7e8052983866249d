"""The user's handle of a graph: holds an `OpGraph` and delegates, importing inside the method."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import networkx as nx

    from opgraph.analysis import Analysis
    from opgraph.graph import OpGraph
    from opgraph.ops import Shape
    from opgraph.rules import Report


class Graph:
    """A neural network as a graph of operations.

    Made by `opgraph.read` or `opgraph.from_keras`; never changed, `set` returns another one.

    Attributes:
        inner: the `OpGraph` that this handle holds.
    """

    def __init__(self, inner: OpGraph) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        """What the graph is called."""
        return self.inner.name

    @property
    def nx(self) -> nx.MultiDiGraph[str]:
        """The networkx graph: node data `node`, edge key the input slot, edge data `port`."""
        return self.inner.nx

    @property
    def nodes(self) -> list[str]:
        """Names of the nodes, in the order in which they were written."""
        return list(self.inner.nodes)

    def __len__(self) -> int:
        return len(self.inner)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self.inner == other.inner

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        edges = len(self.inner.edges)
        return f"<opgraph.Graph {self.name!r}: {len(self)} nodes, {edges} edges>"

    def _repr_svg_(self) -> str:
        return self.draw()

    def set(self, *settings: str) -> Graph:
        """The graph with attributes overridden by glob.

        Args:
            settings: each `glob.attribute=value`, such as `"batch_norm*.momentum=0.9"`.

        Raises:
            OpgraphError: a setting cannot be read, matches nothing, or does not suit its nodes.
        """
        from opgraph.graph import override
        from opgraph.text import parse_setting

        return Graph(override(self.inner, map(parse_setting, settings)))

    def analyze(self, input_shape: Shape | None = None, num_classes: int | None = None) -> Analysis:
        """Everything known without running it: shapes, parameters, cost, memory, depth.

        Args:
            input_shape: shape of one example, for inputs that do not say theirs.
            num_classes: outputs of the last dense layer, where it does not say.
        """
        from opgraph.analysis import analyze

        return analyze(self.inner, input_shape, num_classes)

    def lint(self, **options: Any) -> Report:
        """Look for what is suspicious: findings with a code, a severity, a node and what to do.

        Args:
            options: select, ignore, everything, target, loss, from_logits, known: see
                `opgraph.api.linting.lint`.

        Raises:
            OpgraphError: no rule has such a code, or there is no such target.

        >>> from opgraph.api import read
        >>> graph = read("x: Input(shape=(4,)) -> fc[units=1, activation=softmax]")
        >>> [(found.code, found.severity, found.node) for found in graph.lint().findings]
        [('OG204', 'error', 'fc')]
        """
        from opgraph.api.linting import lint

        return lint(self.analyze(), **options)

    def draw(self, path: str | Path | None = None, **options: Any) -> str:
        """Draw the graph as SVG.

        Args:
            path: where to write it, if anywhere.
            options: `annotate` and `color_by` (names such as `"flops"`, see
                `opgraph.render.make_notes`), and those of `opgraph.render.draw_svg`: theme,
                direction, engine, title and so on.

        Returns:
            The SVG text.

        Raises:
            OpgraphError: there is nothing of a name in `annotate` or `color_by`.

        >>> from opgraph.api import read
        >>> svg = read("x: Input(shape=(4,)) -> fc[units=3]").draw(annotate="params,flops")
        >>> "27 FLOP" in svg
        True
        """
        from opgraph.api.drawing import draw

        return draw(self.analyze(), path, **options)

    def to_text(self, defaults: bool = False) -> str:
        """The graph as an edge list that reads back to the same graph.

        Args:
            defaults: also write attributes that have their default value.
        """
        from opgraph.text import to_text

        return to_text(self.inner, defaults)

    def save(self, path: str | Path, *, weights: str | Path | bool = False) -> None:
        """Write the graph in the format that the suffix names, such as `.txt`, `.dot` or `.keras`.

        Args:
            path: the file; see `docs/reference/formats.md` for all suffixes.
            weights: for `.keras`, which is a model: a file or run to take weights from, or True for
                those of the file that the graph was read from.

        Raises:
            FormatError: no format has this suffix, or it has no place for weights.
            OpgraphError: the model cannot be built, or no weight fits.
        """
        from opgraph.api.saving import save

        save(self.analyze().graph, Path(path), weights)

    def to_graphviz(self) -> Any:
        """The graph as a `graphviz.Digraph`; needs the package `graphviz`."""
        from opgraph.render import to_graphviz

        return to_graphviz(self.analyze())

    def build(self, seed: int | None = None, weights: str | Path | bool = False) -> Any:
        """The graph as a `keras.Model`; needs TensorFlow. See `opgraph.build`."""
        from opgraph.api.functions import build

        return build(self, seed=seed, weights=weights)

    def trace(self, data: Any = "digits", **options: Any) -> Any:
        """Train the graph and measure every node at every step. See `opgraph.trace`."""
        from opgraph.api.training import trace

        return trace(self, data, **options)
