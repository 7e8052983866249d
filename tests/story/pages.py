"""Reads worked lines out of a page: MathML back into text, by a reader of its own."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

from arithmetic import Line, number

VOID = {"meta", "img"}
ROW = {"mrow", "math", "div"}


class Tags(HTMLParser):
    """Every tag that is opened is closed, in order; counts tags and collects attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def tags_of(page):
    """The tags of a page, which is well-formed as HTML."""
    found = Tags()
    found.feed(page)
    found.close()
    assert found.open == []
    return found


def main_of(page):
    """The content of a page, which is well-formed as XML too."""
    return ET.fromstring(page[page.index("<main") : page.index("</main>") + len("</main>")])


def spoken(element):
    """A formula as text that `arithmetic.work_out` reads."""
    inner = [spoken(child) for child in element]
    match element.tag:
        case "mn" | "mo" | "mi":
            return element.text or ""
        case "mtext":
            assert element.get("class") == "note"
            return ""
        case "mfrac":
            return f"(({inner[0]}) / ({inner[1]}))"
        case "msqrt":
            return f"sqrt({' '.join(inner)})"
        case "msup":
            return f"{inner[0]}^({inner[1]})"
        case "msub":
            return f"{inner[0]}__{inner[1]}"
        case "munder":
            return "OVER"
        case tag if tag in ROW:
            bars = [child.text for child in element][:: max(1, len(inner) - 1)] == ["|", "|"]
            return f"abs({' '.join(inner[1:-1])})" if bars else " ".join(inner)
    raise AssertionError(element.tag)


def formula(row):
    """What stands behind the equals sign of a row."""
    sign, right = row
    assert spoken(sign) == "="
    return " ".join(spoken(each) for each in right if each.tag == "math")


def read_page(page):
    """All worked lines of a page."""
    return [_line(box) for box in main_of(page).iter("div") if box.get("class") == "worked"]


def _line(box):
    name, *rows = box
    *formulas, result = [formula(row) for row in rows]
    marked = {b.get("class"): b.text for b in rows[-1].iter("b")}
    recorded = marked.get("recorded")
    return Line(
        name.text,
        [*formulas, _plain(result)],
        None if recorded is None else number(recorded),
        number(marked.get("allowed", "0")),
    )


def _plain(result):
    """A result such as `1.2 × 10^(− 5)` as `1.2e−5`."""
    short = result.replace(" ", "")
    return re.sub(r"×10\^\((−?\d+)\)", r"e\1", short)
