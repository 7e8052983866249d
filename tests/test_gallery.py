"""The pictures of the docs are those that opgraph draws today."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def gallery():
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "tools" / "gallery.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["residual", "cnn-print", "difference", "resnet50"])
def test_the_same_bytes(gallery, name):
    stored = (gallery.GALLERY / f"{name}.svg").read_text(encoding="utf-8")
    assert gallery.EXHIBITS[name].make() == stored


def test_every_picture_is_shown_and_is_small(gallery):
    page = (gallery.GALLERY / "README.md").read_text(encoding="utf-8")
    assert page == gallery.index()
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page)
    assert sorted(shown) == sorted(path.name for path in gallery.GALLERY.glob("*.svg"))
    assert all(path.stat().st_size < 500_000 for path in gallery.GALLERY.iterdir())


def test_every_sample_is_among_them(gallery):
    samples = {path.stem for path in (ROOT / "sample_graphs").glob("*.*")}
    assert samples <= set(gallery.EXHIBITS)
