"""What is typed: names and their abbreviations, and one line for whatever is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opgraph.runtime.debugger import COMMANDS, Session, again, complete, execute
from opgraph.runtime.debugger.commands import SHORT, find

pytestmark = pytest.mark.tf
STATISTICS = "mean, rms, norm, min, max, zero_fraction, nan, inf, nonfinite, count, active, std"
BAD = {
    "frobnicate": "there is no command 'frobnicate'; try 'help'",
    "stpe": "there is no command 'stpe'; did you mean 'step'?",
    "st x": "expected a whole number, received 'x'",
    "step 0": "expected a number from 1 on, received 0",
    "step 1²": "expected a whole number, received '1²'",
    "un": "'un' is ambiguous: until, undisplay",
    "back": "1 steps back is too far: this is step 1",
    "goto": "go to which step?; goto 12",
    "goto 99": "there is no step 99: the training has 12 steps, the first is 1",
    "goto 0": "there is no step 0: the training has 12 steps, the first is 1",
    "break": "break where? Say a condition; break loss < 0.5",
    "until": "until what? Say a condition; until loss < 0.5",
    "display": "display what?; display loss",
    "print": "print what?; print loss; 'info tensors' says what there is",
    "history": "the history of what?; history loss",
    "history d.kernel": "d.kernel: is an array of the shape (4, 8), not a number; say what of it:"
    " mean(...), max(...)",
    "delete 7": "there is no breakpoint 7; there are: none",
    "undisplay 7": "there is no display 7; there are: none",
    "undisplay": "expected a whole number, received ''",
    "break conv9.output.rms > 1": "there is no node 'conv9'; there are: x, d, r, drop, logits,"
    " softmax",
    "break d.kernl.rms > 1": "node 'd' has no tensor 'kernl'; did you mean 'kernel'?",
    "break loss <": "column 7: expected a name, a number or a parenthesis, received the end",
    "print d.kernel[99]": "no such element: index 99 is out of bounds for axis 0 with size 4; the"
    " shape is (4, 8)",
    "print los": "'los' is no figure of the step or of node 'x'; did you mean 'loss'?",
    "print softmax.output.grad": "softmax.output.grad does not exist: the loss does not depend on"
    " it",
    "until d.kernel > 0": "a condition is one yes or no, this has the shape (4, 8); write any(...)"
    " or all(...)",
    "node zzz": "there is no node 'zzz' in this step; 'info nodes' lists them",
    "node logit": "there is no node 'logit' in this step; did you mean 'logits'?",
    "info": "info about what? There are: breakpoints, displays, tensors, nodes, batch",
    "info weather": "info about what? There are: breakpoints, displays, tensors, nodes, batch",
    "info tensors zzz": "there is no node 'zzz'; info nodes",
    "set": "only the learning rate can be set; set lr 1e-4",
    "set momentum 0.9": "only the learning rate can be set; set lr 1e-4",
    "set lr": "lr: '' is no number; set lr 1e-4",
    "set lr fast": "lr: 'fast' is no number; set lr 1e-4",
    "set lr -1": "lr: expected a positive number, received -1.0",
    "set lr nan": "lr: expected a positive number, received nan",
    "set lr inf": "lr: expected a positive number, received inf",
    "save": "save to which file?; save step.npz, or save session.txt",
    "picture x.svg": "this session cannot draw",
}


@pytest.fixture
def session(live: Callable[..., Any]) -> Session:
    session = live()
    session.step()
    return session


@pytest.mark.parametrize("line", BAD)
def test_bad_input_is_one_line_and_the_session_goes_on(line: str, session: Session) -> None:
    reply = execute(session, line)
    assert (reply.text, reply.is_error, reply.is_over) == (f"error: {BAD[line]}", True, False)
    assert execute(session, "where").text.startswith("step 1 of 12")
    assert session.typed == ["where"]


def test_nothing_typed_is_ever_executed(session: Session, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    for text in (f"open('{trap}', 'w')", f"__import__('os').mkdir('{trap}')", "().__class__"):
        for word in ("print", "break", "display", "history", "until"):
            assert execute(session, f"{word} {text}").is_error
    assert not trap.exists()


def test_a_breakpoint_that_cannot_be_answered_says_its_number(session: Session) -> None:
    execute(session, "break d.kernel > 0")
    for line in ("continue", "step"):
        assert execute(session, line).text == (
            "error: breakpoint 1: a condition is one yes or no, this has the shape (4, 8); write"
            " any(...) or all(...)"
        )
    assert session.step_number == 1


def test_before_the_first_step(live: Callable[..., Any]) -> None:
    session = live()
    asks = ("next", "node", "print loss", "list", "save a.npz", "history loss")
    for line in asks:
        assert execute(session, line).text == (
            "error: no step has been taken yet; 'step' takes the first one"
        ), line
    assert execute(session, "break d.kernel.grad.rms > 1e9").text == (
        "breakpoint 1: d.kernel.grad.rms > 1e9"
    )
    assert execute(session, "display loss").text == "display 1: loss"
    assert execute(session, "info tensors").text == "error: of which node?; info tensors x"
    assert "d.kernel.grad" in execute(session, "info tensors d").text


def test_abbreviations() -> None:
    for short, name in SHORT.items():
        assert find(short).name == name
    for name in COMMANDS:
        assert find(name).name == name
    assert [find(x).name for x in ("cont", "br", "wh", "dis", "his", "sav")] == (
        ["continue", "break", "where", "display", "history", "save"]
    )


def test_every_command_has_a_letter_or_a_beginning_of_its_own() -> None:
    for command in COMMANDS.values():
        assert command.usage.startswith(command.name)
        assert command.doc[0].islower()


def test_an_empty_line_repeats_what_moves(session: Session) -> None:
    execute(session, "step 2")
    assert again(session) == "step 2"
    execute(session, "print loss")
    assert again(session) == ""
    assert execute(session, "").text == execute(session, "# nothing").text == ""


def test_quit_ends(session: Session) -> None:
    for word in ("quit", "q", "exit"):
        assert execute(session, word).is_over


def test_help_knows_every_command(session: Session) -> None:
    text = execute(session, "help").text
    assert all(f"\n{command.usage}" in f"\n{text}" for command in COMMANDS.values())
    assert execute(session, "help u").text == (
        "until COND\n  to the step in which a condition holds"
    )


def test_info(session: Session) -> None:
    assert execute(session, "i b").text == "no breakpoints"
    assert execute(session, "i d").text == "no displays"
    execute(session, "b step == 3")
    execute(session, "c")
    assert execute(session, "i b").text == "1  step == 3  hits 1"
    assert execute(session, "d 1").text == "breakpoint 1 is gone"
    execute(session, "display loss < 1")
    assert execute(session, "info displays").text == "1  loss < 1"
    assert execute(session, "undisplay 1").text == "display 1 is gone"
    assert execute(session, "d").text == "all breakpoints are gone"
    assert execute(session, "info nodes").text.splitlines()[1] == "d  Dense"
    head, *rest = execute(session, "info batch").text.splitlines()
    assert head == "examples  16 int64"
    assert rest[rest.index("labels  16 int32") + 1].startswith("[")
    assert execute(session, "info t r").text == (
        f"r.output\nr.output.grad\nstatistics of each: {STATISTICS}"
    )


def test_print(session: Session) -> None:
    kernel = session.value("d.kernel")
    assert execute(session, "p d.kernel[0, 0]").text == f"d.kernel[0, 0] = {kernel[0, 0]:.6g}"
    assert execute(session, "p 2 > 1").text == "2 > 1 = true"
    head, *rows = execute(session, "p d.kernel[:2, :2]").text.splitlines()
    assert (head, len(rows)) == ("d.kernel[:2, :2]  2×2", 2)
    nodes = [line.split()[0] for line in execute(session, "p any.output.max").text.splitlines()[1:]]
    assert nodes == list(session.graph.order)
    assert execute(session, "p r").text.count("\n") == 1


def test_completion(session: Session) -> None:
    assert complete(session, "s") == ["step ", "set ", "save "]
    assert complete(session, "print d.k")[0] == "d.kernel"
    assert complete(session, "break abs(logi")[0] == "abs(logits."
    assert complete(session, "print los") == ["loss"]
    assert complete(session, "print d") == ["data_loss", "d.", "drop."]
    assert complete(session, "print r.o") == ["r.output", "r.output.grad"]
    assert complete(session, "print r.output.nonf") == ["r.output.nonfinite"]
    assert complete(session, "print nothing") == []


def test_saved_commands_can_be_given_again(session: Session, tmp_path: Path) -> None:
    for line in ("break step == 4", "wrong", "continue", "print loss"):
        last = execute(session, line).text
    path = tmp_path / "again.txt"
    reply = execute(session, f"save {path}")
    assert reply.text == f"wrote {path} (3 commands; opgraph debug ... -x {path})"
    lines = path.read_text().splitlines()
    assert lines == ["break step == 4", "continue", "print loss"]
    execute(session, "delete")
    execute(session, "goto 1")
    assert [execute(session, line).text for line in lines][-1] == last


def test_save_tensors_says_how_many(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "step.npz"
    assert execute(session, f"save {path}").text.startswith(f"wrote {path} (")
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert execute(session, f"save {blocked}/x.npz").text.startswith(
        f"error: {blocked}/x.npz: cann"
    )
