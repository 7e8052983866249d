"""The report of a run: one page that holds the whole training.

Turns a graph, its facts and a record into one HTML file that loads nothing. Computes nothing about
networks; thins out long series and says so.
"""

from opgraph.render.report.page import report_page
from opgraph.render.report.words import LANGUAGES, read_words

__all__ = ["LANGUAGES", "read_words", "report_page"]
