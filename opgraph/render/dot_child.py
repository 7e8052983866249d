"""The child process of `dot`: DOT on standard input, the plain format on standard output.

The only module that imports `pygraphviz`; its wheel brings a Graphviz of its own.
"""

import sys

import pygraphviz


def main() -> None:
    """Lay out one graph."""
    graph = pygraphviz.AGraph(string=sys.stdin.read())
    drawn = graph.draw(format="plain", prog="dot")
    sys.stdout.write(drawn.decode() if isinstance(drawn, bytes) else str(drawn))


if __name__ == "__main__":
    main()
