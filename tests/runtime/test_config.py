"""A training in a TOML file: read, written, read again; messages point at the line."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opgraph.errors import OpgraphError, Source
from opgraph.runtime.config import TABLES, parse_config, read_config, to_toml
from opgraph.runtime.recipe import Recipe, field_names

pytestmark = pytest.mark.tf

EXAMPLE = """
[graph]
file = "net.txt"
set = ["bn.momentum=0.9"]
input_shape = [8, 8, 1]
classes = 10

[data]
data = "digits"

[training]
epochs = 3
batch-size = 64
lr = 0.01
loss = { a = "mse", b = "huber(delta=2)" }
class_weights = { 0 = 1, 3 = 2.5 }
early_stopping = 5

[measure]
measure = ["norms"]

[output]
output = "runs/x"
"""


def test_everything_can_be_said_in_a_file() -> None:
    config = parse_config(Source("run.toml", EXAMPLE))
    assert config.values == {
        "file": "net.txt",
        "set": ["bn.momentum=0.9"],
        "input_shape": (8, 8, 1),
        "classes": 10,
        "data": "digits",
        "epochs": 3,
        "batch_size": 64,
        "learning_rate": 0.01,
        "loss": {"a": "mse", "b": "huber(delta=2)"},
        "class_weights": {0: 1.0, 3: 2.5},
        "early_stopping": 5,
        "measure": ("norms",),
        "output": "runs/x",
    }
    assert Recipe(**config.recipe).batch_size == 64


def test_every_setting_has_a_table() -> None:
    names = [name for table in TABLES.values() for name in table]
    assert len(names) == len(set(names))
    assert set(field_names()) < set(names)


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)
recipes = st.builds(
    Recipe,
    steps=st.none() | st.integers(1, 10**6),
    batch_size=st.integers(1, 512),
    seed=st.integers(-(2**40), 2**40),
    learning_rate=st.floats(1e-9, 1e3),
    optimizer=st.sampled_from(["adam", "adamw(beta_2=0.98)"]),
    schedule=st.sampled_from([None, "cosine(warmup=5)", "plateau(patience=2)"]),
    weight_decay=st.none() | st.floats(0, 1),
    loss=st.sampled_from([None, "mse", {"a.1": "mae", "ü \"x\"": "mse"}]),
    class_weights=st.sampled_from([None, "balanced", {0: 1.0, 7: 0.25}]),
    metrics=st.sampled_from([(), ("accuracy",), {"a": ("mae", "mse")}]),
    sites=st.none() | words.filter(str.strip),
    early_stopping=st.sampled_from([None, "3", "patience=2, monitor=val_mae"]),
    validate_every=st.sampled_from([None, "epoch", 20]),
    jit=st.booleans(),
)  # fmt: skip


@given(recipes)
def test_what_is_written_is_read_back(recipe: Recipe) -> None:
    text = to_toml({**recipe.as_dict(), "data": "digits", "set": ["a.b=1"]})
    config = parse_config(Source("run.toml", text))
    assert Recipe(**config.recipe) == recipe
    assert config.values["set"] == ["a.b=1"]


def test_a_dimension_that_the_data_decide_survives() -> None:
    text = to_toml({"input_shape": (None, 32), "file": "a.txt"})
    assert parse_config(Source("run.toml", text)).values["input_shape"] == (None, 32)


def test_files_are_read_with_any_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xef\xbb\xbf[training]\r\nsteps = 5\r\n")
    assert read_config(path).values == {"steps": 5}


def test_what_is_written_is_toml() -> None:
    assert tomllib.loads(to_toml({"steps": 3, "sites": None})) == {"training": {"steps": 3}}
    assert to_toml({"steps": 3}).startswith("# A training, written down by opgraph. Again: ")


def test_a_config_is_read_without_keras() -> None:
    code = (
        "import sys; from opgraph.runtime.config import to_toml\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[training]\nstep = 3",
            "run.toml:2:1  there is no setting 'step' in [training]\n"
            "   2 │ step = 3\n"
            "       ^^^^\n"
            "   did you mean 'steps'?",
        ),
        (
            "[graph]\n  keyframe-every = 3",
            "run.toml:2:3  there is no setting 'keyframe-every' in [graph]\n"
            "   2 │   keyframe-every = 3\n"
            "         ^^^^^^^^^^^^^^\n"
            "   it stands in [measure]",
        ),
        (
            "[output]\nxyz = 3",
            "run.toml:2:1  there is no setting 'xyz' in [output]\n"
            "   2 │ xyz = 3\n"
            "       ^^^\n"
            "   [output] takes: output",
        ),
        (
            "[trainng]\nsteps = 3",
            "run.toml:1:2  there is no table [trainng]; there are [graph], [data], [training],"
            " [measure], [output]\n"
            "   1 │ [trainng]\n"
            "        ^^^^^^^\n"
            "   did you mean 'training'?",
        ),
        (
            "steps = 3",
            "run.toml:1:1  there is no table [steps]; there are [graph], [data], [training],"
            " [measure], [output]\n"
            "   1 │ steps = 3\n"
            "       ^^^^^\n"
            "   'steps' stands in [training]",
        ),
        (
            "[training]\nsteps = 5\nbatch-size = 0",
            "run.toml:3:1  batch_size: expected a positive number, received 0\n"
            "   3 │ batch-size = 0\n"
            "       ^^^^^^^^^^",
        ),
        (
            "[training]\nlr = 'fast'",
            "run.toml:2:1  learning_rate: expected a positive number, received 'fast'\n"
            "   2 │ lr = 'fast'\n"
            "       ^^",
        ),
        (
            "[graph]\nset = 'a.b=1'",
            "run.toml:2:1  set: expected a list of texts, received 'a.b=1'\n"
            "   2 │ set = 'a.b=1'\n"
            "       ^^^\n"
            '   write set = ["batch_norm*.momentum=0.9"]',
        ),
        (
            "[graph]\ninput_shape = [8, 0]",
            "run.toml:2:1  input_shape: expected a shape such as [32, 32, 3], received [8, 0]\n"
            "   2 │ input_shape = [8, 0]\n"
            "       ^^^^^^^^^^^",
        ),
        (
            "[graph]\nclasses = true",
            "run.toml:2:1  classes: expected a positive number, received True\n"
            "   2 │ classes = true\n"
            "       ^^^^^^^",
        ),
        (
            "[data]\ndata = 3",
            "run.toml:2:1  data: expected a text, received 3\n   2 │ data = 3\n       ^^^^",
        ),
        (
            "[training]\nsteps = 5 5",
            "run.toml:2:11  no TOML: Expected newline or end of document after a statement\n"
            "   2 │ steps = 5 5\n"
            "                 ^",
        ),
        ("[training]\nsteps = ", "run.toml: no TOML: Invalid value (at end of document)"),
    ],
)
def test_what_a_config_cannot_say(text: str, message: str) -> None:
    with pytest.raises(OpgraphError) as caught:
        parse_config(Source("run.toml", text))
    assert str(caught.value) == message


def test_all_unknown_names_are_told_at_once() -> None:
    with pytest.raises(OpgraphError) as caught:
        parse_config(Source("run.toml", "[training]\nstep = 3\nepoch = 2\n[dat]\n"))
    assert [line for line in str(caught.value).splitlines() if line.startswith("run.toml")] == [
        "run.toml:2:1  there is no setting 'step' in [training]",
        "run.toml:3:1  there is no setting 'epoch' in [training]",
        "run.toml:4:2  there is no table [dat]; there are [graph], [data], [training], [measure],"
        " [output]",
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OpgraphError) as caught:
        read_config(tmp_path / "no.toml")
    assert str(caught.value) == f"{tmp_path / 'no.toml'}: cannot be read: No such file or directory"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OpgraphError) as caught:
        read_config(tmp_path / "x.toml")
    assert str(caught.value) == f"{tmp_path / 'x.toml'}: cannot be read: it is not UTF-8"
