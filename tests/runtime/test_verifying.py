"""The proof that measuring changes nothing, and that it would find a bit that was changed."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from opgraph.graph import OpGraph
from opgraph.runtime import Step, verify_traced

pytestmark = pytest.mark.tf
Networks = Callable[[str], OpGraph]
WAYS = ("off", "norms", "default", "full", "tensors")


def test_every_way_of_measuring_ends_in_the_bits_of_the_bare_step(
    networks: Networks, making: SimpleNamespace
) -> None:
    found = verify_traced(networks("tiny"), making.blobs(40), steps=4, batch_size=16)
    assert tuple(way.way for way in found.ways) == WAYS
    assert found.equal
    # 4 weights, the seed of the dropout; the counter, 2 slots for each weight
    assert {way.variables for way in found.ways} == {4 + 1 + 1 + 8}
    assert all(way.differing == () and way.largest == 0 for way in found.ways)


def test_a_single_bit_in_a_single_way_is_found(
    networks: Networks, making: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = Step.measured

    def careless(self: Any, *batch: Any, step: int = 0) -> Any:
        found = measured(self, *batch, step=step)
        if self.measure.preset == "default" and step == 2:
            bias = self.core.built.weight_names["logits/bias"]
            values = bias.numpy()
            values.view("int32")[1] ^= 1  # the last bit
            bias.assign(values)
        return found

    monkeypatch.setattr(Step, "measured", careless)
    found = verify_traced(networks("tiny"), making.blobs(40), steps=2, batch_size=16)
    assert not found.equal
    assert [way.way for way in found.ways if not way.equal] == ["default"]
    way = found.ways[2]
    assert way.differing == ("model/logits/bias",)
    assert 0 < way.largest < 1e-8
