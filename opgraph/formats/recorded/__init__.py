"""Recorded trainings in the forms of other tools: event files, overlays, CSV.

Owns the forms; must not know how a run is read or what is chosen from it.
"""

from opgraph.formats.recorded.events import PREFIX, EventRow, graph_def, write_events
from opgraph.formats.recorded.overlays import Reading, netron_attachment, node_data
from opgraph.formats.recorded.table_csv import write_csv

__all__ = [
    "PREFIX",
    "EventRow",
    "Reading",
    "graph_def",
    "netron_attachment",
    "node_data",
    "write_csv",
    "write_events",
]
