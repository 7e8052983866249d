"""What TensorFlow raises in the middle of a step, in the user's words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.graph import OpGraph
from opgraph.record import open_run
from opgraph.runtime import build, trace
from opgraph.runtime.data import Data, Split
from opgraph.runtime.failures import explain

pytestmark = pytest.mark.tf
Networks = Callable[[str], OpGraph]
HELD = "the run holds every step up to this one"
SMALLER = f"take a smaller batch (--batch-size), or the same in parts (--accumulate 4); {HELD}"

# As TensorFlow 2.21 says it; tests/cli/test_trace_faults.py makes it say so, which takes a while.
EXHAUSTED = """Graph execution error:

Detected at node functional_1/c2_1/convolution defined at (most recent call last):
<stack traces unavailable>
OOM when allocating tensor with shape[32,640,8,80,4] and type float on /job:localhost/replica:0/\
task:0/device:CPU:0 by allocator mklcpu
\t [[{{node functional_1/c2_1/convolution}}]]
Hint: If you want to see a list of allocated tensors when OOM happens, add report_tensor_alloca\
tions_upon_oom to RunOptions for current allocation info.
 [Op:__inference_run_1234]"""


def test_exhausted_memory_names_step_node_and_tensor(networks: Networks) -> None:
    built = build(networks("cnn"), seed=0)
    layer = next(layer.name for node, layer in built.layers.items() if node == "c2")
    message = EXHAUSTED.replace("c2_1", layer)
    error = tf.errors.ResourceExhaustedError(None, None, message)
    assert str(explain(error, built, 7)) == (
        "step 7, node 'c2': the memory was exhausted by a tensor of shape [32,640,8,80,4] and type"
        f" float\n   {SMALLER}"
    )
    assert explain(error, built, 7).node == "c2"


def test_memory_that_python_lacks_has_no_node(networks: Networks) -> None:
    built = build(networks("tiny"), seed=0)
    assert str(explain(MemoryError("x"), built, 3)) == (
        f"step 3: the memory was exhausted\n   {SMALLER}"
    )


def test_any_other_error_ends_the_training_with_step_and_node(
    networks: Networks, making: SimpleNamespace, tmp_path: Path
) -> None:
    """An index that the embedding has no row for, in the third batch of the epoch."""
    data = sequences(making.blobs(40))
    bad = third_batch(networks, data, tmp_path / "good")
    data.train.inputs[0][bad, 0] = 99
    with pytest.raises(TraceError) as caught:
        lstm_trace(networks, data, tmp_path / "bad")
    first, hint = str(caught.value).split("\n   ")
    assert re.fullmatch(
        r"step 3, node 'emb': TensorFlow failed: indices\[\d,0\] = 99 is not in \[0, 20\)", first
    )
    assert hint == HELD
    run = open_run(tmp_path / "bad")
    assert (run.info.status, run.last_step) == ("failed", 2)
    assert run.info.outcome["error"] == first


def sequences(like: Data) -> Data:
    """Random tokens with the labels of other data."""
    tokens = np.random.default_rng(0).integers(0, 20, (like.train.size, 7)).astype(np.int32)
    train = Split((tokens,), like.train.labels)
    return Data(
        train, Split((tokens[:4],), (like.train.labels[0][:4],)), like.num_classes,
        like.class_names, like.description, like.targets,
    )  # fmt: skip


def lstm_trace(networks: Networks, data: Data, path: Path) -> Any:
    settings: dict[str, Any] = {"steps": 4, "batch_size": 10, "measure": "norms"}
    return trace(networks("lstm"), data, run_dir=path, graph_json={"nodes": []}, **settings)


def third_batch(networks: Networks, data: Data, path: Path) -> int:
    """An example of the third batch; the training itself ends well."""
    from opgraph.runtime.data import batches

    assert lstm_trace(networks, data, path).last_step == 4
    batch = list(batches(data.train, 10, seed=0, epoch=0))[2]
    return int(batch.indices[0])
