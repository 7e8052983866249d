"""The formats: how a model is written in each, with what travels with it, and opened again.

One row a format in `FORMS`. Libraries of other runtimes are imported when they are needed. Must not
know what is compared.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.export.tf2onnx_lib import patch_tf2onnx
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from opgraph.errors import MissingDependencyError
from opgraph.runtime.export.facts import Facts, readme, shape_text

Arrays = list[Any]
Run = Callable[[Arrays], Arrays]
MEMBER = "opgraph.json"
LABELS = "labels.txt"


@dataclass(frozen=True)
class Form:
    """A format.

    Attributes:
        name: what the user calls it.
        suffix: of the file; None for a folder.
        write: makes the file or folder.
        open: opens it in the runtime that it is for, as a function of arrays.
        tolerance: largest difference of outputs, as a share of the largest output.
        runtime: what it is opened in.
    """

    name: str
    suffix: str | None
    write: Callable[[Any, Path, Facts], None]
    open: Callable[[Path, Any], Run]
    tolerance: float
    runtime: str


# Keras -----------------------------------------------------------------------------------------


def _write_keras(model: Any, path: Path, facts: Facts) -> None:
    model.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(MEMBER, facts.as_json(model))


def _open_keras(path: Path, model: Any) -> Run:
    again: Any = keras.saving.load_model(path, compile=False)
    return lambda arrays: _flat(again(_one_or_all(arrays), training=False))


# SavedModel ------------------------------------------------------------------------------------


def _write_saved_model(model: Any, path: Path, facts: Facts) -> None:
    with quiet():
        model.export(path, format="tf_saved_model", verbose=False)
        loaded: Any = tf.saved_model.load(str(path))
    outputs = loaded.signatures["serving_default"].structured_outputs
    names = sorted(outputs, key=_number)
    shapes = {name: shape_text(outputs[name].shape) for name in names}
    (path / MEMBER).write_text(facts.as_json(model), encoding="utf-8")
    (path / "README.md").write_text(readme(facts, model, shapes), encoding="utf-8")


def _open_saved_model(path: Path, model: Any) -> Run:
    loaded: Any = tf.saved_model.load(str(path))
    function = loaded.signatures["serving_default"]
    names = list(function.structured_input_signature[1])

    def run(arrays: Arrays) -> Arrays:
        fed = {name: tf.constant(x) for name, x in _named(names, model, arrays).items()}
        found = function(**fed)
        return [np.asarray(found[name]) for name in sorted(found, key=_number)]

    run.loaded = loaded  # type: ignore[attr-defined]  # its variables live as long as it does
    return run


# LiteRT ----------------------------------------------------------------------------------------


def _write_tflite(model: Any, path: Path, facts: Facts) -> None:
    with quiet():
        model.export(path, format="litert", verbose=False)
    with zipfile.ZipFile(path, "a") as archive:  # behind the model, where TFLite keeps metadata
        archive.writestr(MEMBER, facts.as_json(model))
        if facts.class_names:
            archive.writestr(LABELS, "\n".join(facts.class_names) + "\n")


def _open_tflite(path: Path, model: Any) -> Run:
    module = _needed("ai_edge_litert.interpreter", "ai-edge-litert")
    interpreter = module.Interpreter(model_path=str(path))
    runner = interpreter.get_signature_runner()
    names = list(runner.get_input_details())

    def run(arrays: Arrays) -> Arrays:
        found = runner(**_named(names, model, arrays))
        return [np.asarray(found[name]) for name in sorted(found, key=_number)]

    return run


# ONNX ------------------------------------------------------------------------------------------


def _write_onnx(model: Any, path: Path, facts: Facts) -> None:
    onnx, converter = _needed("onnx", "onnx"), _needed("tf2onnx", "tf2onnx").convert
    with quiet():
        patch_tf2onnx()
        graph, names = _frozen(model)
        outputs = {name: f"output_{number}" for number, name in enumerate(names)}
        inputs = {f"{tensor.name}:0": tensor.name for tensor in model.inputs}
        made, _ = converter.from_graph_def(
            graph,
            name=model.name,
            input_names=list(inputs),
            output_names=names,
            tensors_to_rename=inputs | outputs,
        )
    added = {MEMBER: facts.as_json(model), "class_names": "\n".join(facts.class_names)}
    for key, value in added.items():
        if value:
            made.metadata_props.add(key=key, value=value)
    onnx.save(made, str(path))


def _frozen(model: Any) -> tuple[Any, list[str]]:
    """The model as one GraphDef, weights and what layers captured as constants; its outputs.

    Keras's own export to ONNX makes inputs of captured constants, such as the statistics of
    `Normalization`.
    """
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name) for tensor in model.inputs]
    function: Any = tf.function(
        lambda *arrays: keras.tree.flatten(model(_one_or_all(list(arrays)), training=False))
    )
    frozen: Any = convert_variables_to_constants_v2(function.get_concrete_function(*specs))
    return frozen.graph.as_graph_def(), [tensor.name for tensor in frozen.outputs]


def _open_onnx(path: Path, model: Any) -> Run:
    runtime = _needed("onnxruntime", "onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    return lambda arrays: [np.asarray(x) for x in session.run(None, _named(names, model, arrays))]


def _needed(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingDependencyError(
            f"this format needs the package {package}, which is not installed",
            hint="pip install 'opgraph[export]'",
        ) from None


def _named(names: Sequence[str], model: Any, arrays: Arrays) -> Mapping[str, Any]:
    """Arrays by the names that an export has for inputs: the same as the model's, or in order."""
    own = [tensor.name for tensor in model.inputs]
    bare = [name.split(":", 1)[0].removeprefix("serving_default_") for name in names]
    if len(names) != len(arrays):
        raise ValueError(f"it has the inputs {', '.join(names)} where the model has {len(arrays)}")
    if sorted(bare) != sorted(own):
        return dict(zip(names, arrays, strict=True))
    return {name: arrays[own.index(short)] for name, short in zip(names, bare, strict=True)}


def _number(name: str) -> tuple[int, str]:
    """The place of an output in a signature: its number, `output_10` behind `output_9`."""
    last = name.rpartition("_")[2]
    return (int(last) if last.isdecimal() else 0, name)


def _flat(value: Any) -> Arrays:
    return [np.asarray(item) for item in keras.tree.flatten(value)]


def _one_or_all(arrays: Arrays) -> Any:
    return arrays[0] if len(arrays) == 1 else arrays


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Hold back what converters print, C++ parts included; show it if they fail."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    with tempfile.TemporaryFile() as held:
        for number in kept:
            os.dup2(held.fileno(), number)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        except BaseException:
            held.seek(0)
            os.write(kept[2], held.read())
            raise
        finally:
            for number, real in kept.items():
                os.dup2(real, number)
                os.close(real)


FORMS = {
    form.name: form
    for form in (
        Form("keras", ".keras", _write_keras, _open_keras, 1e-6, "Keras"),
        Form("saved_model", None, _write_saved_model, _open_saved_model, 1e-5, "TensorFlow"),
        Form("tflite", ".tflite", _write_tflite, _open_tflite, 1e-4, "LiteRT"),
        Form("onnx", ".onnx", _write_onnx, _open_onnx, 1e-4, "ONNX Runtime"),
    )
}
