"""`python -m opgraph` is the command line."""

from opgraph.cli.main import entry

if __name__ == "__main__":
    entry()
