"""Models in the formats of other runtimes, each opened again and compared before it counts.

Must not know how a model was made or trained. Names are resolved when they are first used.
"""

from __future__ import annotations

from opgraph.runtime.export.check import ModelExport, export_model
from opgraph.runtime.export.facts import Facts
from opgraph.runtime.export.forms import FORMS

__all__ = ["FORMS", "Facts", "ModelExport", "export_model"]
