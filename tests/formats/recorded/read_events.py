"""Read a log directory with TensorBoard's own reader and print it as JSON.

A program of its own: in the process of the tests TensorBoard would load TensorFlow, or leave its
stand-in for it behind.
"""

import json
import sys
import types

ALL = dict.fromkeys(("scalars", "tensors", "histograms", "graph"), 0)


def main(folder: str) -> None:
    sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")
    from tensorboard.backend.event_processing import event_accumulator, plugin_event_accumulator
    from tensorboard.util import tensor_util

    old = event_accumulator.EventAccumulator(folder, size_guidance=ALL)
    old.Reload()
    scalars = {
        tag: [[event.wall_time, event.step, event.value] for event in old.Scalars(tag)]
        for tag in old.Tags()["scalars"]
    }
    nodes = [
        [node.name, node.op, list(node.input), {k: v.s.decode() for k, v in node.attr.items()}]
        for node in (old.Graph().node if old.Tags()["graph"] else [])
    ]
    # What the web page is served from: everything as tensors, each tag with its plugin.
    new = plugin_event_accumulator.EventAccumulator(folder, size_guidance=ALL)
    new.Reload()
    histograms, plugins = {}, {}
    for tag in new.Tags()["tensors"]:
        plugins[tag] = new.SummaryMetadata(tag).plugin_data.plugin_name
        if plugins[tag] == "histograms":
            histograms[tag] = [
                [event.step, tensor_util.make_ndarray(event.tensor_proto).tolist()]
                for event in new.Tensors(tag)
            ]
    assert "tensorflow" not in sys.modules
    print(json.dumps([scalars, nodes, histograms, plugins]))


if __name__ == "__main__":
    main(sys.argv[1])
