"""The report of a run: one page that holds the whole training.

Turns a graph, its facts and a record into one HTML file that loads nothing. Computes nothing about
networks; thins out long series and says so.
"""

from opgraph.render.report.library import chart_library
from opgraph.render.report.page import report_json, report_page
from opgraph.render.report.runs import runs_page
from opgraph.render.report.words import LANGUAGES, read_words

__all__ = [
    "LANGUAGES",
    "chart_library",
    "read_words",
    "report_json",
    "report_page",
    "runs_page",
]
