"""The shell of pages: nothing is loaded, nothing runs but what was given, texts can be read."""

import base64
import hashlib
import re

import pytest

from opgraph.render.page import document, escape
from opgraph.render.page.style import base_style, tokens
from opgraph.render.theme import THEMES


def luminance(colour):
    """Relative luminance (WCAG 2.1)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def policy_of(page):
    """The directives of a page's policy, by name."""
    content = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    return {words[0]: words[1:] for words in map(str.split, content.split("; "))}


def test_a_page_without_script_allows_none():
    page = document("t", "<main>b</main>", lang="zh")
    assert page.startswith('<!DOCTYPE html>\n<html lang="zh">\n')
    assert '<meta charset="utf-8">' in page[:120]
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert "<script" not in page
    assert policy_of(page) == {
        "default-src": ["'none'"],
        "style-src": ["'unsafe-inline'"],
        "img-src": ["data:"],
        "base-uri": ["'none'"],
    }


@pytest.mark.parametrize("script", ["let a = '数';\nb(a < 1);", "a()\r\nb()\rc()"])
def test_the_script_is_allowed_by_the_hash_of_what_a_browser_reads(script):
    page = document("t", "b", lang="en", script=script)
    (inside,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert "\r" not in inside
    digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
    assert policy_of(page)["script-src"] == [f"'sha256-{digest}'"]


@pytest.mark.parametrize("text", ["</style><p>", "x </SCRIPT>", "<!-- a"])
def test_style_and_script_cannot_end_their_element(text):
    with pytest.raises(ValueError, match="style and script must not contain"):
        document("t", "b", lang="en", style=text)
    with pytest.raises(ValueError, match="style and script must not contain"):
        document("t", "b", lang="en", script=text)


def test_nothing_is_loaded():
    page = document("t", "b", lang="en")
    assert not re.search(r"url\(|@import|https?:|src=|<link", page)


def test_texts_are_made_harmless():
    assert escape("<script>a & b</script>\"'") == (
        "&lt;script&gt;a &amp; b&lt;/script&gt;&quot;&#39;"
    )
    assert escape("a\u202eb\u2066c\x00d\x1b[2J\ud800") == "a\ufffdb\ufffdc\ufffdd\ufffd[2J\ufffd"
    assert len(escape("x" * 10_001)) == 10_000
    page = document("</title><script>1</script>", "b", lang='"><i>')
    assert "<title>&lt;/title&gt;&lt;script&gt;1&lt;/script&gt;</title>" in page
    assert '<html lang="&quot;&gt;&lt;i&gt;">' in page


@pytest.mark.parametrize("name", THEMES)
def test_text_can_be_read_in_every_theme(name):
    found = tokens(THEMES[name])
    grounds = ["--background", "--surface", *(key for key in found if key.startswith("--fill-"))]
    for ink in ("--text", "--muted", "--link"):
        for ground in grounds:
            assert contrast(found[ink], found[ground]) >= 4.5, (ink, ground)
    for ground in ("--background", "--surface", "--error-fill"):
        assert contrast(found["--error-text"], found[ground]) >= 4.5, ground


def test_the_style_has_each_theme_where_it_belongs():
    rules = base_style().splitlines()
    starts = {
        ":root{": "light",
        "@media screen and (prefers-color-scheme:dark){:root:not([data-theme=light])": "dark",
        "@media screen{:root[data-theme=dark]": "dark",
        "@media print{:root": "print",
    }
    for rule, (start, name) in zip(rules, starts.items(), strict=False):
        assert rule.startswith(start)
        for token, colour in tokens(THEMES[name]).items():
            assert f"{token}:{colour};" in rule


def test_every_token_that_the_style_uses_exists():
    style = base_style()
    used = set(re.findall(r"var\((--[\w-]+)\)", style))
    assert used <= {*tokens(THEMES["light"]), "--sans", "--code", "--math"}
    assert style.count("{") == style.count("}")
