"""Choosing nodes by glob."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    """Names that a glob matches (`*`, `?`, `[...]`; several globs are joined by commas).

    >>> matching("conv*,fc", ["conv1", "bn1", "fc"])
    ['conv1', 'fc']
    """
    globs = [fnmatch.translate(part.strip()) for part in pattern.split(",") if part.strip()]
    compiled = re.compile("|".join(globs)) if globs else None
    return [name for name in names if compiled and compiled.match(name)]
