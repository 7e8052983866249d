"""The names in a formula as MathML: `kernel[i, 5]` gets indices, `(x − mean)^2` an exponent.

Owns how a name is taken apart; a name may be any text.
"""

from __future__ import annotations

import re

from opgraph.render.svg import escape

TOKEN = re.compile(
    r"(?P<name>[^\W\d][\w.]*)(?:\[(?P<index>[^\[\]]*)\])?|(?P<number>\d+(?:\.\d+)?)"
    r"|\^(?P<power>[\w.]+)|(?P<blank>\s+)|(?P<other>.)",
    re.DOTALL,
)
SIGNS = {"Σ": "∑"}
BRACKETS = "()[]|‖"
NUMBERED = re.compile(r"(beta)_(\d)")  # other names are the user's, and stay as they are
COMMA = '<mo separator="true">,</mo>'


def symbols(text: str) -> str:
    """A name, or a few of them with signs between, as MathML.

    >>> symbols("w[i, 5]")
    '<msub><mi>w</mi><mrow><mi>i</mi><mo separator="true">,</mo><mn>5</mn></mrow></msub>'
    >>> symbols("t^2")
    '<msup><mi>t</mi><mn>2</mn></msup>'
    """
    parts: list[str] = []
    for token in TOKEN.finditer(text):
        if token["blank"]:
            continue
        if token["power"]:
            _raise(parts, token["power"])
        else:
            parts.append(_part(token))
    return "".join(parts)


def identifier(name: str) -> str:
    """A name by itself."""
    return f"<mi>{escape(name)}</mi>"


def operator(sign: str) -> str:
    """A sign between two things, also where it begins a line."""
    return f'<mo form="infix">{escape(sign)}</mo>'


def _part(token: re.Match[str]) -> str:
    if token["name"] in SIGNS:
        return f"<mo>{SIGNS[token['name']]}</mo>"
    if token["name"]:
        return _indexed(token["name"], token["index"])
    if token["number"]:
        return f"<mn>{token['number']}</mn>"
    sign = token["other"]
    if sign in BRACKETS:
        return f'<mo stretchy="false">{escape(sign)}</mo>'
    return operator(sign)


def _indexed(name: str, index: str | None) -> str:
    if not index:
        numbered = NUMBERED.fullmatch(name)
        return identifier(name) if numbered is None else _indexed(*numbered.groups())
    words = [word.strip() for word in index.split(",")]
    each = [f"<mn>{w}</mn>" if w.isdecimal() else f"<mi>{escape(w)}</mi>" for w in words]
    return f"<msub>{identifier(name)}<mrow>{COMMA.join(each)}</mrow></msub>"


def _raise(parts: list[str], power: str) -> None:
    """Give an exponent to what stands last: a name, or all up to the opening bracket."""
    above = f"<mn>{power}</mn>" if power.isdecimal() else identifier(power)
    start = len(parts) - 1
    if parts and parts[-1].endswith(">)</mo>"):
        start = max((i for i, part in enumerate(parts) if part.endswith(">(</mo>")), default=start)
    below = "".join(parts[max(0, start) :]) or "<mi></mi>"
    whole = below if below.count("<m") == 1 else f"<mrow>{below}</mrow>"
    parts[max(0, start) :] = [f"<msup>{whole}{above}</msup>"]
