"""The page of a story: its arithmetic is read out of the MathML and done again."""

import re
import time
from pathlib import Path

import pytest
from arithmetic import last_place, number, work_out
from checking import check_recorded
from pages import main_of, read_page, tags_of

import opgraph
from opgraph.errors import RunError
from opgraph.story import read_catalogue

pytestmark = pytest.mark.tf

SAMPLES = Path(__file__).parents[2] / "sample_graphs"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "run"
    return opgraph.trace(SAMPLES / "cnn.txt", "digits", output=path, steps=4, batch_size=8)


@pytest.fixture(scope="module")
def pages(run):
    return {lang: run.explain(2, lang=lang) for lang in ("en", "zh")}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_arithmetic_on_the_page_is_right(run, pages, lang):
    lines = read_page(pages[lang].html())
    assert len(lines) > 80
    worked_out = 0
    for line in lines:
        result = line.formulas[-1]
        for text in line.formulas[:-1]:
            again = work_out(text)
            if again is not None:
                worked_out += 1
                assert abs(again - number(result)) <= last_place(result) * 1.001, (line, again)
    assert worked_out > 60
    assert check_recorded(run.at(2), lines) > 50


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_everything_told_stands_on_the_page(pages, lang):
    found = pages[lang]
    page, catalogue = found.html(), read_catalogue(lang)
    main = main_of(page)
    text = " ".join("".join(main.itertext()).split())  # exponents are raised, without ^
    assert f'<html lang="{lang}">' in page
    for name in ("initial", "forward", "loss", "backward", "update", "moving"):
        assert catalogue[f"phase.{name}"] in text
    for phase in found.story.phases:
        for block in phase.blocks:
            for item in block.items:
                if hasattr(item, "key"):
                    assert " ".join(catalogue.text(item).replace("^", "").split()) in text
                if hasattr(item, "rows"):
                    assert catalogue.text(item.title) in text
    signs = [e.text for e in main.iter("span") if e.get("class") == "sign"]
    blocks = [block for phase in found.story.phases for block in phase.blocks]
    tallies = sum(bool(block.checks) for block in blocks)
    assert signs.count("✓") == found.story.count("agrees") + tallies + 1
    checks = [e for e in main.iter("span") if e.get("class") == "agrees"]
    assert len(checks) == found.story.count("agrees")
    assert all(catalogue["verdict.agrees"] in "".join(e.itertext()) for e in checks)


def test_the_page_is_one_file_without_script(pages):
    page = pages["en"].html()
    tags = tags_of(page)
    assert not {"script", "link", "iframe", "object", "embed"} & set(tags.seen)
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    links = {v for name, v in tags.attributes if name in ("href", "src")}
    assert {link[:5] for link in links if not link.startswith("#")} == {"data:"}
    idents = [value for name, value in tags.attributes if name == "id"]
    assert len(idents) == len(set(idents))
    assert {link[1:] for link in links if link.startswith("#")} <= set(idents)
    assert len(page.encode("utf-8")) < 1_000_000


def test_the_page_is_made_quickly(pages):
    start = time.process_time()
    pages["en"].html()
    assert time.process_time() - start < 1.0


def test_blocks_are_folded_but_the_first(pages):
    sections = main_of(pages["en"].html()).findall("section")
    assert len(sections) == 6
    for section in sections:
        blocks = section.findall("details")
        opened = [block.get("open") is not None for block in blocks]
        assert opened[0]
        assert sum(opened) == (len(opened) if len(opened) <= 3 else 1)


def test_blocks_lead_to_the_same_node_in_other_phases(pages):
    main = main_of(pages["en"].html())
    block = main.find(".//div[@id='forward-2']")
    assert main.find(".//section[@id='forward']/details[2]/summary/h3/b").text == "conv2d_1"
    (links,) = (p for p in block.iter("p") if p.get("class") == "also")
    told = "".join(links.itertext())
    assert told == "This node in other phases: Initial values · Backward · Update"
    for link in links.iter("a"):
        target = main.find(f".//div[@id='{link.get('href')[1:]}']/../summary/h3/b")
        assert target.text == "conv2d_1"


def test_windows_are_drawn(pages):
    main = main_of(pages["en"].html())
    drawn = main.findall(".//section[@id='forward']//figure")
    assert len(drawn) >= 4
    captions = ["".join(each.find("figcaption").itertext()) for each in drawn]
    assert any(re.match(r"The window on input", words) for words in captions)
    assert any("mean over its" in words for words in captions)


def test_a_disagreement_is_told_by_sign_and_word(run, monkeypatch):
    from opgraph.story import view

    real = view.compute

    def wrong(given):
        found = real(given)
        outputs = tuple(output + 0.01 for output in found.outputs)
        return type(found)(outputs, found.pull, found.parts, found.moved)

    monkeypatch.setattr(view, "compute", wrong)
    main = main_of(run.explain(2, node="logits", phase="forward").html())
    told = ["".join(e.itertext()) for e in main.iter("span") if e.get("class") == "disagrees"]
    assert told
    assert all(words.startswith("✗ DISAGREES") for words in told)
    assert "✗ " in "".join(main.find("p").itertext())


def test_the_page_is_written_and_named_among_the_suffixes(run, pages, tmp_path):
    pages["zh"].write(tmp_path / "story.html")
    assert (tmp_path / "story.html").read_text(encoding="utf-8") == pages["zh"].html()
    with pytest.raises(RunError) as caught:
        pages["en"].write(tmp_path / "story.htm")
    assert str(caught.value) == (
        f"{tmp_path / 'story.htm'}: expected a file that ends in .txt, .md, .html,"
        " received 'story.htm'\n   did you mean '.html'?"
    )


def test_the_life_of_a_weight_and_of_an_output_are_pages(run):
    life = run.follow("conv2d_1/kernel[1,1,0,5]", lang="zh")
    page = life.html()
    tags_of(page)
    images = [e.get("src")[:26] for e in main_of(page).iter("img")]
    assert images == ["data:image/svg+xml;base64,"] * 2
    lines = read_page(page)
    assert check_recorded(run.at(life.life.peak.step), lines) >= 3
    seen = run.follow(output="relu_2[0,3,3,7]", steps=[2, 3])
    main = main_of(seen.html())
    assert "It sees" in main.find("figure/figcaption").text
