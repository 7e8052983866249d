"""Copy the advance widths of Liberation Sans into the table that pictures measure text with.

Only the width figures are copied, no outlines. Run it again when the font changes:

    python tools/font_widths.py /usr/share/fonts/truetype/liberation \
        opgraph/render/assets/liberation_sans.json

needs `fonttools`; the fonts are in Debian's package `fonts-liberation`.
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

from fontTools.ttLib import TTFont

# Latin to Latin Extended-A, Greek, Cyrillic; punctuation, letter-like signs, arrows, mathematics.
RANGES = ((0x20, 0x7E), (0xA0, 0x17F), (0x370, 0x45F), (0x2010, 0x205E), (0x2070, 0x22FF))
FACES = {"regular": "LiberationSans-Regular.ttf", "bold": "LiberationSans-Bold.ttf"}


def widths(path: Path) -> dict[str, object]:
    """Runs of consecutive characters: {first code point: [width, ...]}."""
    font = TTFont(path)
    glyphs, metrics = font.getBestCmap(), font["hmtx"]
    codes = [code for low, high in RANGES for code in range(low, high + 1) if code in glyphs]
    runs: dict[str, list[int]] = {}
    start = codes[0]
    for before, code in pairwise([codes[0] - 2, *codes]):
        start = start if code == before + 1 else code
        runs.setdefault(str(start), []).append(metrics[glyphs[code]][0])
    return {"units_per_em": font["head"].unitsPerEm, "runs": runs}


def main(folder: str, target: str) -> None:
    """Read the faces in a folder and write the table."""
    faces = {face: widths(Path(folder) / name) for face, name in FACES.items()}
    table = {"font": "Liberation Sans", "faces": faces}
    text = json.dumps(table, separators=(",", ":")) + "\n"
    Path(target).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
