"""The commands of a session: their names, abbreviations and help, and what each of them does.

One table from words to methods of `Session`. Owns how commands are written and what they answer;
knows neither terminals nor files of commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from opgraph.errors import OpgraphError, TraceError, suggest
from opgraph.files import write_text
from opgraph.record.expression import FUNCTIONS, STATISTICS, Names
from opgraph.runtime.debugger import show
from opgraph.runtime.debugger.places import by_weight
from opgraph.runtime.debugger.session import Session
from opgraph.runtime.failures import FAILURES, said_by

# What gdb's users type, where the letters alone would be ambiguous.
SHORT = {
    "b": "break",
    "c": "continue",
    "d": "delete",
    "h": "help",
    "i": "info",
    "l": "list",
    "n": "next",
    "p": "print",
    "q": "quit",
    "r": "run",
    "s": "step",
    "u": "until",
    "w": "where",
    "bt": "where",
    "exit": "quit",
}


class Reply(NamedTuple):
    """What a command answers; `is_over` ends the session."""

    text: str
    is_over: bool = False
    is_error: bool = False


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        name: the whole word.
        usage: how it is written.
        doc: what it does, in one line.
        run: does it, given what stands behind the word.
        repeats: whether an empty line does it again.
    """

    name: str
    usage: str
    doc: str
    run: Callable[[Session, str], str]
    repeats: bool = False


def execute(session: Session, line: str) -> Reply:
    """Do what a line says; bad input is one line, and the session goes on.

    Args:
        session: the session.
        line: a command, abbreviated if that is not ambiguous; `#` begins a comment.
    """
    word, _, rest = line.strip().partition(" ")
    if not word or word.startswith("#"):
        return Reply("")
    try:
        command = find(word)
        if command.name == "quit":
            return Reply("", is_over=True)
        text = command.run(session, rest.strip())
        session.typed.append(line.strip())
        return Reply(text)
    except OpgraphError as error:
        return Reply(show.error_text(error), is_error=True)
    except FAILURES as error:
        return Reply(f"error: {said_by(error)}", is_error=True)


def again(session: Session) -> str:
    """What an empty line stands for: the last command, if it is one that repeats."""
    last = session.typed[-1] if session.typed else ""
    return last if last and find(last.split()[0]).repeats else ""


def find(word: str) -> Command:
    """The command that a word or its beginning stands for.

    Raises:
        TraceError: it stands for none, or for several.
    """
    name = SHORT.get(word, word)
    matching = [name] if name in COMMANDS else [x for x in COMMANDS if x.startswith(name)]
    if len(matching) == 1:
        return COMMANDS[matching[0]]
    if matching:
        raise TraceError(f"{word!r} is ambiguous: {', '.join(matching)}")
    raise TraceError(f"there is no command {word!r}", hint=suggest(word, COMMANDS) or "try 'help'")


def complete(session: Session, text: str) -> list[str]:
    """How the last word of a line may go on: commands, then nodes, tensors and figures."""
    before, _, word = text.rpartition(" ")
    if not before:
        return [f"{name} " for name in COMMANDS if name.startswith(word)]
    start = max(word.rfind(char) for char in "([,+-*/<>=") + 1
    lead, name = word[:start], word[start:]
    return [lead + x for x in _names(session.names, name) if x.startswith(name)]


def _names(known: Names, word: str) -> Iterator[str]:
    """Figures, functions and nodes; behind a dot what a node has, behind another statistics."""
    if "." not in word:
        yield from known.figures
        yield from (f"{name}(" for name in FUNCTIONS)
    for node, whats in known.tensors.items():
        lead = f"{node if node.isidentifier() else repr(node)}."
        if not word.startswith(lead):
            yield lead
            continue
        for what in whats:
            yield f"{lead}{what}"
            if word.startswith(f"{lead}{what}."):
                yield from (f"{lead}{what}.{name}" for name in STATISTICS)


def _step(session: Session, rest: str) -> str:
    return session.step(_number(rest, 1)).text


def _node(session: Session, rest: str) -> str:
    return session.node(rest or None).text


def _break(session: Session, rest: str) -> str:
    if not rest:
        raise TraceError("break where? Say a condition", hint="break loss < 0.5")
    added = session.break_at(rest)
    return f"breakpoint {added.number}: {added.condition}"


def _until(session: Session, rest: str) -> str:
    if not rest:
        raise TraceError("until what? Say a condition", hint="until loss < 0.5")
    return session.until(rest).text


def _goto(session: Session, rest: str) -> str:
    if not rest:
        raise TraceError("go to which step?", hint="goto 12")
    return session.goto(_number(rest, 0)).text


def _display(session: Session, rest: str) -> str:
    if not rest:
        raise TraceError("display what?", hint="display loss")
    number = session.display(rest)
    if session.place is None:
        return f"display {number}: {rest}"
    return f"{number}: {show.answer_text(rest, session.answer(rest))}"


def _undisplay(session: Session, rest: str) -> str:
    session.undisplay(_number(rest, None))
    return f"display {rest} is gone"


def _delete(session: Session, rest: str) -> str:
    if not rest:
        session.breakpoints.clear()
        return "all breakpoints are gone"
    session.breakpoints.delete(_number(rest, None))
    return f"breakpoint {rest} is gone"


def _print(session: Session, rest: str) -> str:
    if not rest:
        raise TraceError("print what?", hint="print loss; 'info tensors' says what there is")
    node = rest if rest in session.names.tensors else None
    if node is not None:
        names = by_weight([name for name in session.tensors.arrays if name.node == node])
        return "\n".join(show.tensor_lines(session.tensors, names))
    return show.answer_text(rest, session.answer(rest))


def _history(session: Session, rest: str) -> str:
    if not rest:
        raise TraceError("the history of what?", hint="history loss")
    return str(session.history(rest))


def _picture(session: Session, rest: str) -> str:
    return f"wrote {session.picture(rest or 'debug.svg')}"


def _set(session: Session, rest: str) -> str:
    name, _, value = rest.replace("=", " ").partition(" ")
    if name not in ("lr", "learning_rate"):
        raise TraceError("only the learning rate can be set", hint="set lr 1e-4")
    try:
        rate = float(value)
    except ValueError:
        raise TraceError(
            f"{value.strip()!r} is no number", where="lr", hint="set lr 1e-4"
        ) from None
    return session.set_learning_rate(rate)


def _save(session: Session, rest: str) -> str:
    if not rest:
        raise TraceError("save to which file?", hint="save step.npz, or save session.txt")
    path = Path(rest)
    if path.suffix == ".npz":
        return f"wrote {path} ({session.save(path)} tensors of step {session.step_number})"
    write_text(path, "".join(f"{line}\n" for line in session.typed))
    return f"wrote {path} ({len(session.typed)} commands; opgraph debug ... -x {path})"


def _info(session: Session, rest: str) -> str:
    topics = {
        "breakpoints": _breakpoints,
        "displays": _displays,
        "tensors": _tensors,
        "nodes": _nodes,
        "batch": _batch,
    }
    word, _, more = rest.partition(" ")
    matching = [topic for topic in topics if topic.startswith(word)] if word else []
    if not matching:
        raise TraceError(f"info about what? There are: {', '.join(topics)}")
    return topics[matching[0]](session, more.strip())


def _breakpoints(session: Session, _: str) -> str:
    lines = [f"{x.number}  {x.condition}  hits {x.hits}" for x in session.breakpoints]
    return "\n".join(lines) or "no breakpoints"


def _displays(session: Session, _: str) -> str:
    return "\n".join(f"{n}  {x}" for n, x in session.displays.items()) or "no displays"


def _batch(session: Session, _: str) -> str:
    """Which examples the step is made of, and what they should be answered with."""
    tensors = session.tensors
    lines = [] if tensors.indices is None else [show.array_text("examples", tensors.indices)]
    return "\n".join([*lines, *(show.array_text("labels", x) for x in tensors.labels)])


def _nodes(session: Session, _: str) -> str:
    return "\n".join(f"{name}  {session.graph[name].kind.kind}" for name in session.graph.order)


def _tensors(session: Session, rest: str) -> str:
    node = rest or (session.place.node if session.place else None)
    known = session.names.tensors
    if node is None:
        raise TraceError("of which node?", hint=f"info tensors {next(iter(known))}")
    if node not in known:
        raise TraceError(f"there is no node {node!r}", hint=suggest(node, known) or "info nodes")
    lines = [f"{node}.{what}" for what in known[node]]
    return "\n".join([*lines, f"statistics of each: {', '.join(STATISTICS)}"])


def _help(session: Session, rest: str) -> str:
    if rest:
        command = find(rest)
        return f"{command.usage}\n  {command.doc}"
    width = max(len(x.usage) for x in COMMANDS.values())
    lines = [f"{x.usage:<{width}}  {x.doc}" for x in COMMANDS.values()]
    return "\n".join(
        [*lines, "Names may be shortened (s, n, c, b, p, ...); an empty line repeats."]
    )


def _number(text: str, default: int | None) -> int:
    """A whole number.

    Raises:
        TraceError: it is none.
    """
    if not text and default is not None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 12:
        raise TraceError(f"expected a whole number, received {text!r}")
    return int(text)


_ALL = (
    Command("step", "step [N]", "one step, or N of them", _step, True),
    Command("next", "next", "to the next phase of the step", lambda s, _: s.next().text, True),
    Command("node", "node [NAME]", "to the next node, or to the next place of a node", _node, True),
    Command("continue", "continue", "to the next breakpoint", lambda s, _: s.proceed().text, True),
    Command("until", "until COND", "to the step in which a condition holds", _until),
    Command("run", "run", "from the beginning to a breakpoint", lambda s, _: s.run().text),
    Command(
        "back", "back [N]", "one step back, or N", lambda s, r: s.back(_number(r, 1)).text, True
    ),
    Command("goto", "goto N", "to step N, forward or back", _goto),
    Command("break", "break COND", "stop wherever a condition holds", _break),
    Command("delete", "delete [N]", "remove breakpoint N, or all of them", _delete),
    Command("display", "display EXPR", "show an expression at every stop", _display),
    Command("undisplay", "undisplay N", "show it no more", _undisplay),
    Command("print", "print EXPR", "a number, a tensor, or what a node has", _print),
    Command("history", "history EXPR", "a number over the steps", _history),
    Command("where", "where", "step, phase, and the graph around the node", lambda s, _: s.where()),
    Command("list", "list", "what the neighbours hold", lambda s, _: s.neighbours()),
    Command("info", "info TOPIC", "batch, breakpoints, displays, nodes, tensors [NODE]", _info),
    Command("picture", "picture [FILE]", "the graph as SVG, the node marked", _picture),
    Command("set", "set lr NUMBER", "another learning rate from the next step on", _set),
    Command("save", "save FILE", "tensors of the step (.npz), or the commands typed", _save),
    Command("help", "help [COMMAND]", "what there is", _help),
    Command("quit", "quit", "leave", lambda s, _: ""),
)
COMMANDS = {command.name: command for command in _ALL}
