"""The catalogues: the same entries and blanks in every language, and no sentence without a use."""

import ast
import re
import string
from pathlib import Path

import pytest

import opgraph.story
from opgraph.errors import RunError
from opgraph.story import LANGUAGES, read_catalogue, say

SOURCE = Path(opgraph.story.__file__).parents[1]
MERGES = ("add", "subtract", "multiply", "average", "maximum", "minimum")


def blanks(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_entries_and_blanks(language):
    one, other = read_catalogue("en").sentences, read_catalogue(language).sentences
    assert one.keys() == other.keys()
    assert {key: blanks(text) for key, text in one.items()} == {
        key: blanks(text) for key, text in other.items()
    }
    assert all(text.strip() for text in other.values())


def said():
    """Keys that the code says, with the values it gives; patterns where a part is computed."""
    for file in (SOURCE / "story").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say":
                given = {word.arg for word in node.keywords}
                yield from ((key, given) for key in keys(node.args[0]))


def keys(node):
    match node:
        case ast.Constant(value):
            return [re.escape(value)]
        case ast.IfExp(_, body, orelse):
            return [*keys(body), *keys(orelse)]
        case ast.JoinedStr(values):
            parts = [re.escape(v.value) if isinstance(v, ast.Constant) else r"\w+" for v in values]
            return ["".join(parts)]
    return []


def test_every_sentence_that_is_said_exists_and_gets_its_blanks_filled():
    known = read_catalogue("en").sentences
    for key, given in said():
        matches = [name for name in known if re.fullmatch(key, name)]
        assert matches, key
        if len(matches) == 1 and "kind" not in blanks(known[matches[0]]):
            assert blanks(known[matches[0]]) <= given, matches[0]


def test_every_sentence_is_said_somewhere():
    texts = "".join(p.read_text(encoding="utf-8") for p in SOURCE.rglob("story/**/*.py"))
    patterns = [key for key, _ in said()]
    for name in read_catalogue("en").sentences:
        by_code = any(re.fullmatch(pattern, name) for pattern in patterns)
        assert by_code or f'"{name}"' in texts or name.split(".")[0] in ("page", "phase", "verdict")


def test_chinese_has_its_own_punctuation():
    for name, text in read_catalogue("zh").sentences.items():
        plain = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", text)
        assert not re.search(r"[\u4e00-\u9fff] ?[,.:;?!()]", plain), name
        assert not re.search(r"\s[，。：；？！）]", text), name


def test_blanks_are_filled():
    sentence = say("forward.conv.outside", outside=5)
    assert read_catalogue("en").text(sentence).startswith("5 places of the window")
    assert read_catalogue("zh").text(sentence).startswith("窗口中有 5 个位置")


def test_an_unknown_language_is_refused():
    with pytest.raises(RunError, match="expected one of en, zh, received 'de'"):
        read_catalogue("de")


def test_a_list_has_the_marks_of_its_language():
    sentence = say("initial.count", weights=["kernel", "bias"])
    assert read_catalogue("en").text(sentence).endswith("keeps: kernel, bias.")
    assert read_catalogue("zh").text(sentence).endswith("kernel、bias。")
    names = [text for text, is_name in read_catalogue("zh").pieces(sentence) if is_name]
    assert names == ["kernel", "bias"]
