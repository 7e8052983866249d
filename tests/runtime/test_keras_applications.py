"""All models of `keras.applications`, saved, read, analysed, built again with their weights.

Weights are random, the statistics of batch normalisation too, so that a wrong epsilon, axis or
order of weights shows in the outputs. The page with the table of results is kept current.
"""

from __future__ import annotations

import gc
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.tf

from opgraph.analysis import analyze  # noqa: E402
from opgraph.formats import read  # noqa: E402
from opgraph.runtime import build, start  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "keras-applications.md"
ROW = re.compile(r"^\| `(\w+)` \|.*$", re.MULTILINE)
QUICK = ("MobileNetV3Small", "MobileNet")
SMALLEST = (*QUICK, "MobileNetV2", "NASNetMobile", "EfficientNetB0", "MobileNetV3Large")
OPEN_SIZE = ("MobileNetV3Small", "MobileNetV3Large")
MODELS = [name for name in dir(keras.applications) if name[0].isupper()]


def application(name: str) -> Any:
    """A model at its own input size, or 224 where it leaves that open; logits come out."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(3)
    size = {"input_shape": (224, 224, 3)} if name in OPEN_SIZE else {}
    make = getattr(keras.applications, name)
    return make(weights=None, classifier_activation=None, **size)


def stir(model: Any) -> None:
    """Other values than the initial ones for everything that starts as zeros or ones."""
    chance = np.random.default_rng(7)
    for variable in model.variables:
        if variable.name in ("moving_variance", "gamma", "variance"):
            variable.assign(chance.uniform(0.5, 1.5, variable.shape))
        elif variable.name in ("moving_mean", "beta", "bias", "mean"):
            variable.assign(chance.normal(0, 0.1, variable.shape))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it keeps copies of its statistics


def layer_of(model: Any, node: str) -> Any:
    """The layer or operation that a node was read from: `inner/name` is in the model `inner`."""
    for part in node.split("/"):
        inside = getattr(model, "operations", None) or model.layers
        model = {item.name: item for item in inside}[part]
    return model


def check_facts(model: Any, graph: Any) -> None:
    """Counts and shapes of opgraph against Keras's own, layer by layer."""
    analysis = analyze(graph).require()
    totals = analysis.totals
    assert totals.trainable.value == sum(v.shape.num_elements() for v in model.trainable_weights)
    assert totals.non_trainable.value == sum(
        v.shape.num_elements() for v in model.non_trainable_weights
    )
    for node in graph:
        layer = layer_of(model, node.name)
        assert analysis[node.name].outputs == (tuple(layer.output.shape[1:]),), node.name
        owned = sum(v.shape.num_elements() for v in getattr(layer, "weights", ()))
        assert sum(analysis[node.name].params or (0,)) == owned, node.name


def row(name: str, folder: Path) -> str:
    """What the page says of a model; what is not as it should be fails the test at once."""
    model = application(name)
    stir(model)
    path = folder / f"{name}.keras"
    model.save(path)
    graph = read(path)
    check_facts(model, graph)
    built = build(graph)
    started = start(built, True)
    path.unlink()
    assert (started.kept, started.unused) == ((), ())
    images = np.random.default_rng(0).uniform(0, 255, (1, *model.input_shape[1:])).astype("float32")
    wanted, found = (np.asarray(one(images, training=False)) for one in (model, built.model))
    assert np.isfinite(wanted).all()
    assert np.ptp(wanted) > 0
    difference = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    assert difference <= 1e-5
    size = "×".join(map(str, model.input_shape[1:3]))
    opaque = sum(node.kind.category == "opaque" for node in graph)
    shown = "none" if difference == 0 else "≤ 1e-5"
    gc.collect()
    return (
        f"| `{name}` | {size} | {len(graph):,} | {opaque} | {model.count_params():,} | equal"
        f" | equal | {shown} |"
    )


def page_rows() -> dict[str, str]:
    return {match[1]: match[0] for match in ROW.finditer(PAGE.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("name", QUICK)
def test_small_models_are_the_same_when_built_again(name, tmp_path):
    assert row(name, tmp_path) == page_rows().get(name)


@pytest.mark.slow
def test_every_model_is_the_same_when_built_again(tmp_path, request):
    rows = {name: row(name, tmp_path) for name in MODELS}
    print("\n".join(rows.values()))
    if request.config.getoption("--rewrite-golden"):
        head, table = "|---|---|---|---|---|---|---|---|\n", "\n".join(rows.values())
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(head)
        after = rest[rest.index("\n\n") :]
        PAGE.write_text(before + head + table + after, encoding="utf-8")
    assert page_rows() == rows, "rewrite it: pytest --rewrite-golden"
