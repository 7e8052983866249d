"""One self-contained HTML document around a body that is escaped already.

Owns the head: encoding, language, what the browser is allowed to do, styles.
"""

from __future__ import annotations

import base64
import hashlib
import re

from opgraph.render.page.style import base_style
from opgraph.render.svg import escape

ENDS = re.compile(r"</(style|script)|<!--", re.IGNORECASE)


def document(title: str, body: str, *, lang: str, style: str = "", script: str = "") -> str:
    r"""A whole page as one UTF-8 file that loads nothing from anywhere.

    The browser is told to run no script but the one given, by its hash, and to fetch nothing.
    Colours follow the reader's system, or `data-theme="light"` or `"dark"` at the root element.

    Args:
        title: of the page; any text.
        body: HTML; each text in it has gone through `escape`.
        lang: language of the page, such as `en` or `zh`.
        style: CSS of this page, after that of all pages; may use the properties of `style.tokens`.
        script: JavaScript that runs when the body has been read; none when left out.

    Raises:
        ValueError: style or script would end its own element.

    >>> print(*document("a < b", "<main></main>", lang="en").splitlines()[:5], sep="\n")
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <title>a &lt; b</title>
    """
    for text in (style, script):
        if found := ENDS.search(text):
            raise ValueError(f"style and script must not contain {found[0]!r}")
    code = script.replace("\r\n", "\n").replace("\r", "\n")  # as browsers read it, for the hash
    tail = f"<script>{code}</script>\n" if code else ""
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(lang)}">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n"
        f'<meta http-equiv="Content-Security-Policy" content="{policy(code)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="generator" content="opgraph">\n'
        f"<style>\n{base_style()}{style}</style>\n</head>\n<body>\n{body}\n{tail}</body>\n</html>\n"
    )


def themed(light: str, dark: str) -> str:
    """HTML of which a reader sees the part that fits the theme of the page; paper gets the light.

    >>> themed("a", "b")
    '<div class="only-light">a</div><div class="only-dark">b</div>'
    """
    return f'<div class="only-light">{light}</div><div class="only-dark">{dark}</div>'


def policy(script: str = "") -> str:
    """What a page allows its browser: styles and pictures it brings itself, and one script.

    >>> policy()
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
    """
    allowed = ["default-src 'none'", "style-src 'unsafe-inline'", "img-src data:"]
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
        allowed.append(f"script-src 'sha256-{digest}'")
    return "; ".join([*allowed, "base-uri 'none'"])
