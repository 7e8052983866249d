"""`opgraph debug`: scripts, stdin, what is refused; the whole transcript of a session."""

from __future__ import annotations

import io
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from opgraph.cli.line_editor import make_reader

pytestmark = pytest.mark.tf
GOLDEN = Path(__file__).parents[1] / "golden" / "cli"
NETWORK = """
image: Input(shape=(8, 8, 1)) -> conv[filters=4] -> bn[momentum=0.8] -> relu -> max_pool
max_pool -> flatten -> drop -> fc -> softmax
drop: Dropout(rate=0.25)
"""
SCRIPT = """\
# forward
step
next
node fc
where
break conv.kernel.grad.rms > 0.3
until loss < 2.865
list

# back
back 2
display bn.moving_mean.after[:2]
node
break no.such.thing > 1
print fc.kernel[0, :3]
goto 8
history loss
info breakpoints
set lr 1e-4
step
print lr
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("debug")
    (path / "net.txt").write_text(NETWORK, encoding="utf-8")
    (path / "script.txt").write_text(SCRIPT, encoding="utf-8")
    return path


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def run(folder):
    import opgraph

    options = {"steps": 12, "batch_size": 64, "seed": 3, "keyframe_every": 5}
    opgraph.trace(folder / "net.txt", "digits", output=folder / "run", **options)
    return folder / "run"


OPTIONS = ("--steps", "12", "--batch-size", "64", "--seed", "3")


def test_the_transcript_of_a_session(opgraph, here, request):
    """It runs forward, breaks on a condition, goes back and inspects."""
    code, out, err = opgraph("debug", "net.txt", *OPTIONS, "-x", "script.txt")
    assert (code, err) == (0, "")
    file = GOLDEN / "debug.txt"
    if request.config.getoption("--rewrite-golden"):
        file.write_text(out, encoding="utf-8", newline="\n")
    assert out == file.read_text(encoding="utf-8")


def test_a_run_gives_the_same_transcript(opgraph, here, run):
    """Up to what is said about the branch, and the history, which knows all steps of a run."""
    code, out, err = opgraph("debug", "run", "-x", "script.txt")
    assert (code, err) == (0, "")
    shown = out.splitlines()
    expected = (GOLDEN / "debug.txt").read_text(encoding="utf-8").splitlines()
    told = [line for line in shown if line not in expected]
    assert [line for line in told if not line.startswith(("     ", "    1"))] == [
        "loss, steps 1 to 12",
        "from step 9 on the learning rate is 0.0001: a branch begins there, in memory only; to"
        " record it: opgraph branch run --step 8 --set lr=0.0001 -o ...",
    ]
    assert shown[-4:] == expected[-4:]


def test_commands_of_the_command_line_come_after_scripts(opgraph, here):
    (Path("one.txt")).write_text("step\n", encoding="utf-8")
    words = ("-x", "one.txt", "--command", "print step", "--command", "quit", "--command", "step")
    code, out, _ = opgraph("debug", "net.txt", *OPTIONS, *words)
    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("(opgraph)")] == [
        "(opgraph) step",
        "(opgraph) print step",
        "(opgraph) quit",
    ]
    assert "step = 1" in out


def test_commands_from_a_pipe(opgraph, here, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("step\n\nprint step\nnonsense"))
    code, out, _ = opgraph("debug", "net.txt", *OPTIONS)
    assert code == 0
    assert out.endswith(
        "(opgraph) print step\nstep = 1\n(opgraph) nonsense\n"
        "error: there is no command 'nonsense'; try 'help'\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("missing.txt",), "missing.txt: cannot be read: No such file"),
        (("net.txt", "-x", "missing.txt"), "'missing.txt' does not exist"),
        (("net.txt", "--optimizer", "adm"), "optimizer: "),
        (("run", "--lr", "0.1"), "a run knows how it was trained; leave out learning_rate"),
        (("run", "--steps", "5"), "a run knows how it was trained; leave out steps"),
        (("empty",), "empty"),
    ],
)
def test_a_target_that_cannot_be_used_is_refused(words, message, opgraph, here, run):
    Path("empty").mkdir(exist_ok=True)
    code, out, err = opgraph("debug", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_a_changed_run_is_refused_and_the_session_goes_on(opgraph, here, run, tmp_path):
    import shutil

    changed = tmp_path / "changed"
    shutil.copytree(run, changed)
    for keyframe in (changed / "keyframes").iterdir():
        keyframe.unlink()
    code, out, err = opgraph("debug", changed, "--command", "step")
    assert (code, out) == (2, "")
    assert "has no keyframe" in err


def test_python_refuses_settings_of_a_run(run):
    import opgraph

    with pytest.raises(opgraph.OpgraphError, match=r"^steps: a run knows how it was trained$"):
        opgraph.debug(run, steps=5)


def test_a_picture_has_the_node_marked(run, tmp_path):
    import opgraph

    session = opgraph.debug(opgraph.open_run(run))
    unmarked = session.picture(tmp_path / "start.svg").read_text(encoding="utf-8")
    session.step()
    session.node("fc")
    marked = session.picture(tmp_path / "fc.svg").read_text(encoding="utf-8")
    assert 'class="mark"' not in unmarked
    inside = marked.split('data-node="fc"')[1].split("</g>")[0]
    assert marked.count('class="mark"') == inside.count('class="mark"') == 1


def test_completion_by_readline():
    readline = pytest.importorskip("readline")
    asked = []

    def complete(text):
        asked.append(text)
        return ["step ", "set "]

    sys.modules["prompt_toolkit"], kept = None, sys.modules.get("prompt_toolkit")
    try:
        assert make_reader(complete) is input
        assert [readline.get_completer()("s", number) for number in range(3)] == (
            ["step ", "set ", None]
        )
    finally:
        readline.set_completer(None)
        sys.modules.pop("prompt_toolkit") if kept is None else sys.modules.update(
            prompt_toolkit=kept
        )
    assert asked == ["", "", ""]


def test_completion_by_prompt_toolkit():
    pytest.importorskip("prompt_toolkit")
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    asked = []

    def complete(text):
        """The editor inserts what it is told a moment later; then the line ends."""
        asked.append(text)
        threading.Timer(0.5, keys.send_text, ["\n"]).start()
        return ["conv.kernel"]

    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        ask = make_reader(complete)
        keys.send_text("print conv.k\t")
        assert ask("(opgraph) ") == "print conv.kernel"
    assert asked == ["print conv.k"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal")
def test_a_session_in_a_terminal(folder):
    """An empty line repeats, Ctrl-C leaves a line alone, Ctrl-D ends."""
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "opgraph", "debug", "net.txt", *OPTIONS]
    process = subprocess.Popen(
        command, cwd=folder, stdin=theirs, stdout=theirs, stderr=subprocess.STDOUT
    )
    os.close(theirs)
    seen = ""

    def wait_for(text):
        nonlocal seen
        end = time.monotonic() + 60
        while text not in seen:
            assert time.monotonic() < end, seen
            if select.select([ours], [], [], 1)[0]:
                seen += os.read(ours, 4096).decode()
        seen = seen.split(text, 1)[1]

    try:
        wait_for("net.txt: 9 nodes, steps 1 to 12.")
        wait_for("(opgraph)")
        for keys, answer in (
            (b"step\n", "step 1 of 12"),
            (b"\n", "step 2 of 12"),
            (b"nonsense\n", "error: there is no command"),
            (b"half a line\x03", "(opgraph)"),
            (b"back\n", "step 1 of 12"),
        ):
            os.write(ours, keys)
            wait_for(answer)
            time.sleep(0.2)
        os.write(ours, b"\x04")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
