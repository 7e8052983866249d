"""SVG as pixels and pages: PNG, PDF and moving GIF, through CairoSVG and Pillow.

Owns which file a suffix stands for and how large pixels are; knows nothing of what is drawn.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from opgraph.errors import FormatError, MissingDependencyError

PNG_SCALE = 2.0
MOST_PIXELS = 120_000_000
COLOURS = 128
SIZE = re.compile(r' width="([\d.]+)" height="([\d.]+)"')


def picture_bytes(svg: str, path: Path) -> bytes:
    """A picture in the format that the suffix names: .svg, .png or .pdf.

    Args:
        svg: the picture.
        path: the file that it is meant for.

    Raises:
        FormatError: the suffix is none of these, or there would be too many pixels.
        MissingDependencyError: CairoSVG is not installed.
    """
    return PICTURES[checked_suffix(path)](svg)


def checked_suffix(path: Path) -> str:
    """The suffix, if pictures can be written so.

    Raises:
        FormatError: they cannot.
    """
    suffix = path.suffix.lower()
    if suffix not in PICTURES:
        received = f"{path.suffix!r}" if path.suffix else "no suffix"
        raise FormatError(
            f"pictures are written as {', '.join(PICTURES)}, received {received}", where=str(path)
        )
    return suffix


def to_svg(svg: str) -> bytes:
    """The text as bytes."""
    return svg.encode("utf-8", "surrogatepass")


def to_png(svg: str, scale: float = PNG_SCALE) -> bytes:
    """Pixels of a picture, so many for each unit of its size.

    Raises:
        FormatError: there would be more than 120 million.
        MissingDependencyError: CairoSVG is not installed.
    """
    found = SIZE.search(svg)
    assert found is not None
    pixels = float(found[1]) * float(found[2]) * scale * scale
    if pixels > MOST_PIXELS:
        raise FormatError(
            f"the picture would have {pixels / 1e6:,.0f} million pixels, expected at most"
            f" {MOST_PIXELS / 1e6:,.0f}",
            hint="fold it (--fold 40), or write .svg or .pdf",
        )
    return _cairo("PNG").svg2png(bytestring=to_svg(svg), scale=scale)


def to_pdf(svg: str) -> bytes:
    """One page of the size of the picture, its texts as text.

    Raises:
        MissingDependencyError: CairoSVG is not installed.
    """
    return _cairo("PDF").svg2pdf(bytestring=to_svg(svg))


def to_gif(svgs: Iterable[str], starts: Sequence[float], seconds: float) -> bytes:
    """Pictures of one size as a GIF that repeats for ever.

    Args:
        svgs: the pictures.
        starts: when each of them begins, as a part of the whole.
        seconds: how long the whole takes.

    Raises:
        MissingDependencyError: CairoSVG or Pillow is not installed.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise MissingDependencyError(
            "writing GIF needs Pillow, which is not installed: pip install pillow"
        ) from None
    stills: list[Any] = []
    for svg in svgs:
        image = Image.open(io.BytesIO(to_png(svg, 1.0))).convert("RGB")
        stills.append(image.quantize(COLOURS, dither=Image.Dither.NONE))
    ends = [*starts[1:], 1.0]
    times = [round((b - a) * seconds * 100) * 10 for a, b in zip(starts, ends, strict=True)]
    packed = io.BytesIO()
    stills[0].save(packed, "GIF", save_all=True, append_images=stills[1:], duration=times, loop=0)
    return packed.getvalue()


def _cairo(what: str) -> Any:
    try:
        import cairosvg
    except (ModuleNotFoundError, OSError):
        raise MissingDependencyError(
            f"writing {what} needs CairoSVG with the library cairo, which is not installed:"
            " pip install 'opgraph[picture]'"
        ) from None
    return cairosvg


PICTURES: Mapping[str, Callable[[str], bytes]] = {".svg": to_svg, ".png": to_png, ".pdf": to_pdf}
