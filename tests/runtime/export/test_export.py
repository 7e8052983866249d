"""Exports opened in the runtimes that they are for, what travels with them, planted faults."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_litert")
pytestmark = pytest.mark.tf

from keras import layers  # noqa: E402

import opgraph  # noqa: E402
from opgraph import export_model  # noqa: E402
from opgraph.cli.main import main  # noqa: E402
from opgraph.errors import BuildError, FormatError  # noqa: E402
from opgraph.runtime.export import FORMS  # noqa: E402

SUFFIX = {"keras": ".keras", "saved_model": "", "tflite": ".tflite", "onnx": ".onnx"}
NETWORK = (
    "x: Input(shape=(8, 8, 3)) -> conv_1[filters=4] -> bn_1 -> relu -> 全局平均池化 -> fc[units=3]"
)
SMALLEST = (
    "MobileNetV3Small",
    "MobileNet",
    "MobileNetV2",
    "NASNetMobile",
    "EfficientNetB0",
    "MobileNetV3Large",
)


# The statistics of `Normalization` are constants of the export, and no op subtracts those.
UNKNOWN = {("EfficientNetB0", "onnx"): ["normalization_1/Sub"]}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A model of two inputs and eleven outputs, so that no order can be right by chance."""
    x, y = keras.Input((8, 8, 3), name="b_image"), keras.Input((4,), name="a_row")
    z = layers.Conv2D(4, 3, name="conv_1")(x)
    z = layers.GlobalAveragePooling2D(name="gap")(layers.BatchNormalization(name="bn_1")(z))
    z = layers.Concatenate(name="cat")([z, layers.Dense(2, activation="relu", name="fc")(y)])
    heads = [layers.Dense(3, name=f"head-{number}")(z) for number in range(11)]
    model = keras.Model([x, y], heads, name="net")
    chance = np.random.default_rng(3)
    for variable in model.variables:
        variable.assign(chance.uniform(0.5, 1.5, variable.shape))
    path = tmp_path_factory.mktemp("source") / "net.keras"
    model.save(path)
    return path, model


@pytest.mark.parametrize("to", SUFFIX)
def test_every_format_gives_the_same_outputs(source, tmp_path, to):
    path, _ = source
    done = export_model(path, to, tmp_path / f"net{SUFFIX[to]}")
    assert done.difference <= done.tolerance
    assert (done.examples, done.form) == (16, to)
    assert [item.name for item in tmp_path.iterdir()] == [f"net{SUFFIX[to]}"]


def test_onnx_in_its_own_runtime(source, tmp_path):
    import onnx
    import onnxruntime

    path, model = source
    export_model(path, "onnx", tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    batch = data(5)
    found = session.run(None, {"b_image": batch[0], "a_row": batch[1]})
    for one, other in zip(found, model(batch, training=False), strict=True):
        np.testing.assert_allclose(one, np.asarray(other), rtol=1e-4, atol=1e-5)
    said = {item.key: item.value for item in onnx.load(tmp_path / "net.onnx").metadata_props}
    facts = json.loads(said["opgraph.json"])
    assert [item["name"] for item in facts["inputs"]] == ["b_image", "a_row"]
    assert facts["source"] == "net.keras"


def data(count):
    chance = np.random.default_rng(1)
    shapes = ((count, 8, 8, 3), (count, 4))
    return [chance.uniform(-1, 1, shape).astype("float32") for shape in shapes]


def test_a_live_model_is_exported_as_it_is(source, tmp_path):
    _, model = source
    done = export_model(model, "keras", tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    for one, other in zip(again(data(2)), model(data(2)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert done.note == ""


def test_initial_values_are_said_to_be_ones(source, tmp_path):
    path, model = source
    assert export_model(path, "keras", tmp_path / "a.keras").note == ""
    for graph in (opgraph.read(NETWORK), opgraph.from_keras(model)):
        done = export_model(graph, "keras", tmp_path / "a.keras")
        assert done.note == "the source holds no weights: these are initial values"


def test_a_readme_beside_a_saved_model(source, tmp_path):
    path, _ = source
    export_model(path, "saved_model", tmp_path / "net")
    text = (tmp_path / "net" / "README.md").read_text(encoding="utf-8")
    assert "| input | `b_image` | batch×8×8×3 | float32 |" in text
    assert "tensorflow/serving" in text
    code = next(line for line in text.splitlines() if line.startswith("python3 -c '"))
    program = code.removeprefix("python3 -c '").rpartition("' >")[0]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    body = json.loads(done.stdout)
    assert np.shape(body["inputs"]["b_image"]) == (1, 8, 8, 3)
    assert np.shape(body["inputs"]["a_row"]) == (1, 4)
    grpc = text.rpartition("```python\n")[2].partition("```")[0]
    compile(grpc, "README", "exec")


def test_a_run_with_its_class_names(tmp_path):
    run = opgraph.trace(
        "x: Input(shape=(8, 8, 1)) -> flat: Flatten -> fc[units=10] -> softmax",
        "digits",
        steps=2,
        output=tmp_path / "run",
    )
    export_model(run, "tflite", tmp_path / "net.tflite")
    export_model(tmp_path / "run", "keras", tmp_path / "net.keras")
    for name in ("net.tflite", "net.keras"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            facts = json.loads(archive.read("opgraph.json"))
        assert facts["class_names"] == [str(digit) for digit in range(10)]
        assert facts["inputs_are"] == "pixels on a scale from 0 (black) to 1 (white)"
        assert facts["source"] == "the run run"
    images = np.random.default_rng(0).uniform(0, 1, (2, 8, 8, 1)).astype("float32")
    again = keras.models.load_model(tmp_path / "net.keras", compile=False)
    np.testing.assert_array_equal(again(images), run.model()(images))


# What is wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize("to", SUFFIX)
def test_an_export_that_differs_is_not_kept(source, tmp_path, monkeypatch, to):
    """Planted: the form writes the model with one bias changed by a hundredth."""
    form, (path, _) = FORMS[to], source

    def changed(model, made, facts):
        again = keras.models.clone_model(model)
        again.set_weights(model.get_weights())
        again(data(1))
        bias = again.get_layer("head-10").bias
        bias.assign(np.asarray(bias) + 0.01)
        form.write(again, made, facts)

    monkeypatch.setitem(FORMS, to, replace(form, write=changed))
    target = tmp_path / f"net{SUFFIX[to]}"
    with pytest.raises(BuildError) as caught:
        export_model(path, to, target)
    assert f"the export gives other outputs in {form.runtime}: they differ by" in str(caught.value)
    assert str(caught.value).endswith("\n   nothing was written")
    assert list(tmp_path.iterdir()) == []


def test_what_a_converter_cannot_write(tmp_path):
    """A grouped convolution is a function inside the graph, which tf2onnx leaves as it is."""
    x = keras.Input((8, 8, 4), name="x")
    model = keras.Model(x, layers.Conv2D(4, 3, groups=2, name="grouped")(x))
    model.save(tmp_path / "m.keras")
    (tmp_path / "m.onnx").write_text("old")
    with pytest.raises(BuildError) as caught:
        export_model(tmp_path / "m.keras", "onnx", tmp_path / "m.onnx")
    message = str(caught.value).splitlines()
    assert message[0].startswith(f"{tmp_path / 'm.onnx'}: cannot be exported as onnx: ")
    assert message[1:] == ["   nothing was written"]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["m.keras", "m.onnx"]
    assert (tmp_path / "m.onnx").read_text() == "old"


def test_an_export_replaces_an_older_one(tmp_path):
    for _ in range(2):
        export_model(NETWORK, "saved_model", tmp_path / "net")
        export_model(NETWORK, "keras", tmp_path / "net.keras")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["net", "net.keras"]


def refused(tmp_path, to, name, **options):
    with pytest.raises(FormatError) as caught:
        export_model(NETWORK, to, tmp_path / name, **options)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_what_is_refused_before_anything_is_built(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    (tmp_path / "file").write_text("a")
    assert refused(tmp_path, "tflit", "a.tflite") == (
        "no format is called 'tflit'\n   did you mean 'tflite'?"
    )
    assert refused(tmp_path, "onnx", "a.keras") == (
        "a.keras: a file of onnx ends in .onnx\n   name it a.onnx"
    )
    assert refused(tmp_path, "saved_model", "mine") == (
        "mine: a folder that opgraph has not written, which is not replaced\n   name another one"
    )
    assert refused(tmp_path, "saved_model", "file") == "file: is a file, which is not replaced"
    assert refused(tmp_path, "keras", "a.keras", step=3).endswith(
        "only a run has steps\n   leave --step out"
    )
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_the_command(tmp_path, capfd):
    (tmp_path / "n.txt").write_text(NETWORK, encoding="utf-8")
    output = tmp_path / "n.onnx"
    code = main(["export", str(tmp_path / "n.txt"), "--to", "onnx", "-o", str(output)])
    out, err = capfd.readouterr()
    assert (code, out) == (0, "")
    assert err.splitlines()[0] == f"wrote {output} ({output.stat().st_size:,} bytes)"
    assert err.splitlines()[1].startswith("opened again in ONNX Runtime: the same on 16 examples")
    assert main(["export", str(tmp_path / "n.txt"), "--to", "onnxx", "-o", "x"]) == 2
    assert "did you mean 'onnx'?" in capfd.readouterr().err
    what = ["--what", "loss"]
    assert main(["export", str(tmp_path / "n.txt"), "--to", "onnx", "-o", "x", *what]) == 2
    assert "--what is about numbers of a run, onnx is a model" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
@pytest.mark.parametrize("to", ["saved_model", "tflite", "onnx"])
def test_applications_are_exported_read_back_and_recognised(name, to, tmp_path):
    keras.backend.clear_session()
    size = {"input_shape": (224, 224, 3)} if "V3" in name else {}
    model = getattr(keras.applications, name)(weights=None, classifier_activation=None, **size)
    model.save(tmp_path / "m.keras")
    export_model(tmp_path / "m.keras", to, tmp_path / f"m{SUFFIX[to]}")
    graph = opgraph.read(tmp_path / f"m{SUFFIX[to]}")
    opaque = [node.name for node in graph.inner if node.kind.category == "opaque"]
    assert opaque == UNKNOWN.get((name, to), [])
    analysis = graph.analyze().require()
    assert [analysis[name].outputs[0] for name in graph.inner.sinks] == [(1000,)]
