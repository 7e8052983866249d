"""The command line: one file a command.

Top layer. A command reads its options, calls the Python API or a package, and prints; it computes
nothing itself. Results go to stdout, progress and errors to stderr; exit codes are 0 (good),
1 (the answer is no) and 2 (bad input).
"""

from opgraph.cli.main import main

__all__ = ["main"]
