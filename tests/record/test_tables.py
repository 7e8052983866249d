"""Rows of a run: which step, which site, what is null and what is not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from opgraph.record import (
    BINS,
    BN_MOMENTS,
    CHANNEL_MOMENTS,
    DROPOUT,
    STEPS,
    TENSOR,
    Block,
    Layout,
    Site,
    StepRow,
    Survey,
    make_tables,
    parse_measure,
    prefixed,
)
from opgraph.record.tables import sites_of, sites_table

X = Site("output", "x", shape=(4, 2))
GRAD = Site("output_grad", "x", shape=(4, 2))
LOST = Site("output_grad", "y", 1, shape=(2,), connected=False)
KERNEL = Site("weight", "fc", weight="kernel", shape=(4, 3))
LOST_BIAS = Site("weight", "fc", weight="bias", shape=(3,), connected=False)
SLOT = Site("slot", "fc", weight="kernel", slot="velocity", shape=(4, 3))
NORM = Site("bn", "norm", shape=(3,), momentum=0.5, calls=2)
STILL = Site("bn", "still", shape=(3,), momentum=0.5, connected=False)
DROP = Site("dropout", "drop", shape=(4,))
SITES = (STEPS, X, GRAD, LOST, KERNEL, LOST_BIAS, SLOT, NORM, STILL, DROP)
MEASURE = parse_measure(
    ["full", "*.channel_*:every=2,first=0", "*.*histogram:every=2,first=0",
     "bn.*_channels:every=2,first=0", "output.max:every=3,first=0"]
)  # fmt: skip
SURVEY = Survey(SITES, MEASURE, metrics=("accuracy",), validated=("loss",))
STEP_MOMENTS = (
    *("loss", "data_loss", "regularization", "accuracy:total", "accuracy:count"),
    *("learning_rate", "grad_norm_sumsq", "clipped_grad_norm_sumsq"),
)
SCALARS = (
    (STEPS, Block(STEP_MOMENTS)),
    *((site, TENSOR) for site in (X, GRAD, SLOT)),
    (KERNEL, prefixed(["value", "grad", "update"])),
    (LOST_BIAS, prefixed(["value", "update"])),
    (NORM, prefixed(BN_MOMENTS)),
    (STILL, prefixed(BN_MOMENTS[2:])),
    (DROP, DROPOUT),
)
VECTORS = (
    *((site, Block(CHANNEL_MOMENTS, 2)) for site in (X, GRAD)),
    *((site, Block(("histogram",), BINS)) for site in (X, GRAD)),
    *((KERNEL, Block((f"{part}_histogram",), BINS)) for part in ("value", "grad", "update")),
    (NORM, Block(BN_MOMENTS, 3)),
    (STILL, Block(BN_MOMENTS[2:], 3)),
)


def laid_out(blocks: Any) -> Layout:
    placed, start = [], 0
    for site, block in blocks:
        placed.append((site, block, start))
        start += block.size
    return Layout(tuple(placed), start)


EVERY, WHOLE = laid_out(SCALARS), laid_out((*SCALARS, *VECTORS))


def row(step: int, **changes: float) -> StepRow:
    layout = WHOLE if MEASURE.is_whole(step) else EVERY
    packed = np.full(layout.size, 8.0)
    for site, block, start in layout.blocks:
        for number, name in enumerate(block.names):
            place = slice(start + number * block.width, start + (number + 1) * block.width)
            if name.endswith(("nan", "inf", "zeros")):
                packed[place] = 0
            key = f"{site.kind}_{site.node}_{site.weight}_{name}"
            if key in changes:
                packed[place] = changes[key]
    host: dict[str, Any] = {"step": step, "epoch": 0, "index": step, "batch_size": 2}
    host |= {"micro_batches": 1, "calls": step, "step_time": 0.25, "input_time": 0.125}
    host |= {"fingerprint": f"{step:016x}", "time": datetime(2026, 11, 22, tzinfo=UTC)}
    return StepRow(packed, layout, host | {"val_loss": 0.5 if step == 2 else None})


def tables(**changes: float) -> dict[Any, Any]:
    return make_tables(SURVEY, [row(step, **changes) for step in (1, 2, 3)])


def test_rows_are_steps_times_sites() -> None:
    found = tables()
    counts = {kind: table.num_rows for kind, table in found.items()}
    assert counts == {
        "steps": 3, "output": 3, "output_grad": 6, "weight": 6, "slot": 3, "bn": 6, "dropout": 3,
    }  # fmt: skip
    assert found["weight"]["step"].to_pylist() == [1, 1, 2, 2, 3, 3]
    assert found["weight"]["weight"].to_pylist()[:2] == ["kernel", "bias"]
    assert found["slot"]["slot"].to_pylist()[0] == "velocity"


def test_columns_are_those_of_the_survey() -> None:
    for kind, table in tables().items():
        names = [quantity.name for quantity in SURVEY.quantities(kind)]
        assert table.column_names[-len(names) :] == names


def test_gradient_that_does_not_exist_is_null_and_not_zero() -> None:
    found = tables()
    grads = found["output_grad"].to_pylist()
    assert [grad["connected"] for grad in grads[:2]] == [True, False]
    measured = {q.name for q in SURVEY.quantities("output_grad")}
    assert {grads[1][name] for name in measured} == {None}
    lost = found["weight"].to_pylist()[1]
    assert (lost["connected"], lost["grad_norm"], lost["grad_nan"]) == (False, None, None)
    assert lost["update_norm"] > 0


def test_frozen_batch_normalisation_has_no_batch_statistics() -> None:
    norm, still = tables()["bn"].to_pylist()[:2]
    assert norm["batch_mean"] is not None
    assert norm["initial_weight"] == 0.25  # two calls a step
    assert (still["batch_mean"], still["initial_weight"]) == (None, None)
    assert still["moving_mean"] == norm["moving_mean"]


def test_update_ratio_of_a_weight_that_is_all_zero_is_null() -> None:
    rows = tables(weight_fc_bias_value_sumsq=0.0)["weight"].to_pylist()
    assert rows[1]["update_ratio"] is None
    assert rows[1]["value_norm"] == 0.0
    assert rows[0]["update_ratio"] > 0


def test_nan_is_not_null() -> None:
    found = tables(output_x__nan=8.0, output_x__sumsq=0.0)["output"]
    assert np.isnan(found["mean"].to_pylist()).all()
    assert found["nonfinite"].to_pylist() == [8, 8, 8]
    assert found["mean"].null_count == 0


def test_lists_and_rare_scalars_are_written_on_their_schedule() -> None:
    found = tables()
    lengths = [None if v is None else len(v) for v in found["output"]["histogram"].to_pylist()]
    assert lengths == [None, BINS, None]
    assert found["output"]["channel_mean"].to_pylist() == [None, [1.0, 1.0], None]
    assert found["output"]["max"].to_pylist() == [None, None, 8.0]
    channels = found["bn"]["moving_mean_channels"].to_pylist()
    assert channels == [None, None, [8.0] * 3, [8.0] * 3, None, None]


def test_columns_of_the_loop_keep_their_types() -> None:
    steps = tables()["steps"]
    assert steps.schema.field("time").type == pa.timestamp("us", tz="UTC")
    assert steps["fingerprint"].to_pylist()[0] == "0000000000000001"
    assert steps["epoch"].to_pylist() == [0, 0, 0]
    assert steps["accuracy"].to_pylist() == [1, 1, 1]
    assert steps["val_loss"].to_pylist() == [None, 0.5, None]
    assert steps["loss_scale"].to_pylist() == [None, None, None]


def test_tables_of_no_steps_have_all_columns() -> None:
    for kind, table in make_tables(SURVEY, []).items():
        assert table.num_rows == 0
        assert table.schema == tables()[kind].schema, kind


def test_sites_come_back_from_their_table() -> None:
    assert sites_of(sites_table(SURVEY)) == SITES
