"""Curves: quantities of recorded trainings over their steps.

Reads what is drawn from a record, thins it out to what a picture can show, and draws it with
matplotlib. Must not know how anything was measured.
"""

from opgraph.render.curves.chart import CurveOptions, check_suffix, render_curves
from opgraph.render.curves.points import shortened, sparkline
from opgraph.render.curves.series import (
    Series,
    catalogue,
    find_quantity,
    own_series,
    read_kind,
    read_lists,
    read_series,
    recorded_steps,
    value_at,
)
from opgraph.render.curves.style import CurveTheme

__all__ = [
    "CurveOptions",
    "CurveTheme",
    "Series",
    "catalogue",
    "check_suffix",
    "find_quantity",
    "own_series",
    "read_kind",
    "read_lists",
    "read_series",
    "recorded_steps",
    "render_curves",
    "shortened",
    "sparkline",
    "value_at",
]
