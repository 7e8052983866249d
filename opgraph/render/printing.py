"""SVG as pixels and pages: PNG, PDF and moving GIF, through CairoSVG and Pillow.

Owns which file a suffix stands for and how large pixels are; knows nothing of what is drawn.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

from opgraph.errors import FormatError, MissingDependencyError
from opgraph.render.theme import FONTS, TYPE, WIDE_FONT

PNG_SCALE = 2.0
MOST_PIXELS = 120_000_000
COLOURS = 256
EM = 100.0
LETTERS = "MLCZ"  # by cairo's numbers for pieces of a path
TEXT = re.compile(
    r'<text class="(\w+)" x="([\d.-]+)" y="([\d.-]+)" textLength="([\d.]+)"'
    r' lengthAdjust="spacingAndGlyphs">([^<]*)</text>'
)
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
    cairo = _cairo("PNG")
    return cairo.svg2png(bytestring=_fitted(svg, outlined=True), scale=scale)


def to_pdf(svg: str) -> bytes:
    """One page of the size of the picture, its texts as text.

    Raises:
        MissingDependencyError: CairoSVG is not installed.
    """
    cairo = _cairo("PDF")
    return cairo.svg2pdf(bytestring=_fitted(svg, outlined=False))


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


@dataclass(frozen=True)
class _Fitter:
    """Gives each text the length that it was measured at, which CairoSVG does not do itself.

    So a text keeps to its place where its font is not installed. Pixels get outlines, since letters
    set one by one would be moved to whole pixels; pages keep texts that can be searched.
    """

    context: Any
    outlined: bool

    def fit(self, svg: str) -> str:
        """The picture with all its texts at their lengths."""
        fitted = TEXT.sub(self._fitted, svg)
        return re.sub(r"~(g )?text\b", r"~\1.ink", fitted) if self.outlined else fitted

    def _fitted(self, found: re.Match[str]) -> str:
        kind, x, y, length, content = found.groups()
        size, bold, italic, _ = TYPE[kind]
        words = unescape(content)
        family = WIDE_FONT if any(east_asian_width(char) in "WF" for char in words) else FONTS[0]
        self.context.select_font_face(family, int(italic), int(bold))
        self.context.set_font_size(EM)
        natural = self.context.text_extents(words)[4] * size / EM
        share = float(length) / natural if natural else 1.0
        place = f"translate({x} {y}) scale({share:.4f} 1)"
        if not self.outlined:
            font = f' style="font-family:{family}"' if family == WIDE_FONT else ""
            return f'<text class="{kind}"{font} transform="{place}">{content}</text>'
        place = f"{place} scale({size / EM:g})"
        return f'<path class="{kind} ink" transform="{place}" d="{self._outline(words)}"/>'

    def _outline(self, words: str) -> str:
        self.context.new_path()
        self.context.move_to(0, 0)
        self.context.text_path(words)
        return "".join(
            LETTERS[kind] + " ".join(f"{value:.1f}" for value in points)
            for kind, points in self.context.copy_path()
        )


def _fitted(svg: str, *, outlined: bool) -> bytes:
    import cairocffi

    surface = cairocffi.RecordingSurface(cairocffi.CONTENT_COLOR_ALPHA, None)  # without bounds
    return to_svg(_Fitter(cairocffi.Context(surface), outlined).fit(svg))


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
