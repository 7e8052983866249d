"""`opgraph verify traced`."""

import json

import pytest

pytestmark = pytest.mark.tf
WAYS = ["off", "norms", "default", "full", "tensors"]


def test_as_a_command(opgraph, tmp_path):
    (tmp_path / "net.txt").write_text(
        "image: Input(shape=(8, 8, 1)) -> flat: Flatten -> fc: Dense(units=6) -> drop: Dropout"
        " -> y: Dense(units=10)"
    )
    arguments = ("verify", "traced", tmp_path / "net.txt", "--steps", "2", "--optimizer", "sgd")
    code, out, _ = opgraph(*arguments)
    assert code == 0
    assert out.splitlines()[-1].startswith(
        "6 variables of model and optimizer after 2 steps, each against the bare step; statistics: "
    )
    code, out, _ = opgraph(*arguments, "--json")
    assert code == 0
    assert json.loads(out)["equal"] is True
    assert [way["way"] for way in json.loads(out)["ways"]] == WAYS
