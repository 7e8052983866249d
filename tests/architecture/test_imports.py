"""What importing loads: nothing heavy, and the core works where TensorFlow is not installed."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "sample_graphs"

BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "keras"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
"""
BARE = BLOCKER.replace('"keras"', '"keras", "pyarrow", "safetensors", "sklearn", "PIL", "pandas"')


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


def test_importing_opgraph_loads_only_itself():
    allowed = {"opgraph", "opgraph.version"}
    result = run(
        """
        import sys
        before = set(sys.modules)
        import opgraph
        new = set(sys.modules) - before
        known = sys.stdlib_module_names
        print(*(name for name in new if name.split(".")[0] not in known))
        """
    )
    assert result.returncode == 0, result.stderr
    assert set(result.stdout.split()) <= allowed


def test_a_heavy_import_would_be_seen():
    """The list of new modules is not empty by accident: rich shows up in it."""
    result = run(
        """
        import sys
        before = set(sys.modules)
        import opgraph, rich
        print(any(name.startswith("rich") for name in set(sys.modules) - before))
        """
    )
    assert result.stdout.strip() == "True"


@pytest.mark.parametrize("command", ["show", "check", "draw", "convert"])
def test_commands_work_without_tensorflow(command, tmp_path):
    outputs = {"draw": ["-o", str(tmp_path / "g.svg")], "convert": [str(tmp_path / "g.json")]}
    arguments = [command, str(SAMPLES / "cnn.txt"), *outputs.get(command, [])]
    result = run(BLOCKER + f"\nfrom opgraph.cli import main; sys.exit(main({arguments!r}))")
    assert result.returncode == 0, result.stderr


def test_show_does_not_import_tensorflow():
    arguments = ["show", str(SAMPLES / "cnn.txt")]
    code = f"""
import sys
from opgraph.cli import main
status = main({arguments!r})
names = ("tensorflow", "keras", "pyarrow", "sklearn", "scipy", "PIL")
heavy = [name for name in names if name in sys.modules]
print("HEAVY", heavy)
"""
    assert "HEAVY []" in run(code).stdout


def test_a_missing_tensorflow_is_one_line(tmp_path):
    arguments = ["trace", str(SAMPLES / "cnn.txt"), "-o", str(tmp_path / "run")]
    result = run(BLOCKER + f"\nfrom opgraph.cli import main; sys.exit(main({arguments!r}))")
    assert result.returncode == 2
    assert result.stderr.strip() == (
        "error: training needs TensorFlow, which is not installed: pip install 'opgraph[train]'"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments",
    [["evaluate", "runs/x"], ["predict", "runs/x", "y.png"], ["trace", str(SAMPLES / "cnn.txt")]],
    ids=lambda arguments: arguments[0],
)
def test_with_nothing_but_the_core_installed_every_command_answers_in_one_line(arguments, tmp_path):
    code = f"{BARE}\nimport os; os.chdir({str(tmp_path)!r})"
    result = run(f"{code}\nfrom opgraph.cli import main; sys.exit(main({arguments!r}))")
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.rstrip().endswith("which is not installed: pip install 'opgraph[train]'")
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
