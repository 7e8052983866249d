"""Stretches of a map, in any format, as cropping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opgraph.formats.exported.call import Call, Found

WHOLE = (1 << 31) - 1  # an end behind all ends


def cropped(call: Call, kept: Mapping[int, tuple[int, int]], layout: str) -> Found | None:
    """A map without its border.

    Args:
        call: the step.
        kept: for each axis that is cut, as the file counts them, where what is left begins and
            ends; a negative end counts from the end.
        layout: where the channels stand.
    """
    shape, rank = call.shape(0), call.rank()
    if rank is None or not shape or not 3 <= rank <= 5:
        return None
    channels = rank - 1 if layout == "channels_last" else 1
    axes = (at for at in range(1, rank) if at != channels)
    sides: dict[int, tuple[int, int]] = dict.fromkeys(axes, (0, 0))
    for axis, (start, end) in kept.items():
        if start == 0 and end >= WHOLE:
            continue
        place = call.axis(axis)
        size = None if place is None else shape[place]
        if place not in sides or size is None:
            return None
        first, last = (max(0, x + size) if x < 0 else min(x, size) for x in (start, end))
        sides[place] = (first, size - last)
    given: dict[str, Any] = {"cropping": tuple(sides.values())}
    if layout != "channels_last":
        given["data_format"] = layout
    is_none = rank == 3 and layout != "channels_last"
    return None if is_none else Found(f"Cropping{rank - 2}D", given, reads=(call.input(0),))
