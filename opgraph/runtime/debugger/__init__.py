"""A debugger of trainings: goes forward and back, stops where a condition holds, shows any number.

A `Session` walks over a *source* of steps: a recorded run that is replayed, or a training that goes
on in memory. Within a step it walks over the tensors of one execution of the compiled step, so that
what it shows are the numbers of the training. Must not know terminals or the command line.
"""

from opgraph.runtime.debugger.breakpoints import Breakpoint
from opgraph.runtime.debugger.commands import COMMANDS, Command, Reply, again, complete, execute
from opgraph.runtime.debugger.history import History
from opgraph.runtime.debugger.live import LiveSource
from opgraph.runtime.debugger.places import PHASES, Place
from opgraph.runtime.debugger.session import Progress, Session, Stop
from opgraph.runtime.debugger.sources import Source
from opgraph.runtime.debugger.steering import prepare_steered

__all__ = [
    "COMMANDS",
    "PHASES",
    "Breakpoint",
    "Command",
    "History",
    "LiveSource",
    "Place",
    "Progress",
    "Reply",
    "Session",
    "Source",
    "Stop",
    "again",
    "complete",
    "execute",
    "prepare_steered",
]
