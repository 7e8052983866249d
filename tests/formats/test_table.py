"""Files by suffix and by their first bytes; what is written replaces the old file at once."""

from __future__ import annotations

import json
import os
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from opgraph.errors import FormatError, OpgraphError
from opgraph.formats import FORMATS, archive, read, read_keras_file, table, to_json, write

TEXT = "x: Input(shape=(4,)) -> fc: Dense(units=2)\n"
SAMPLES = Path(__file__).parents[2] / "sample_graphs"


def refused(path, do=read):
    with pytest.raises(FormatError) as caught:
        do(path)
    return str(caught.value).replace(str(path), path.name)


def put(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def config(make):
    return make.functional(make.entry("x", 4), make.layer("y", "Dense", ("x", 0, 0, [4]), units=3))


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["g.txt", "g.edges", "g.TXT", "noend", "g.unknown"])
def test_edge_lists(tmp_path, name):
    graph = read(put(tmp_path / name, TEXT))
    assert list(graph.nodes) == ["x", "fc"]
    assert graph.name == name.split(".")[0]


@pytest.mark.parametrize(("name", "comma"), [("g.csv", ","), ("g.tsv", "\t")])
def test_tables_of_edges(tmp_path, name, comma):
    graph = read(put(tmp_path / name, f"input{comma}conv_1\nconv_1{comma}relu_1\n"))
    assert {(e.source, e.target) for e in graph.edges} == {
        ("input", "conv_1"),
        ("conv_1", "relu_1"),
    }


@pytest.mark.parametrize("name", ["g.json", "g.dat"])
def test_own_json(tmp_path, everything, name):
    path = put(tmp_path / name, "\ufeff " + json.dumps(to_json(everything)))
    assert read(path) == everything


@pytest.mark.parametrize("name", ["m.json", "m.dat"])
def test_json_that_keras_writes(tmp_path, make, name):
    whole = {"class_name": "Functional", "config": config(make)}
    assert list(read(put(tmp_path / name, json.dumps(whole))).nodes) == ["x", "y"]


@pytest.mark.parametrize("name", ["m.keras", "m.zip"])
def test_keras_files(tmp_path, make, name):
    text = json.dumps({"class_name": "Functional", "config": config(make)})
    path = zipped(tmp_path / name, {"config.json": text, "model.weights.h5": b"\0" * 100})
    assert list(read(path).nodes) == ["x", "y"]


@pytest.mark.parametrize("suffix", [".txt", ".json", ".nx.json", ".graphml"])
def test_what_is_written_reads_back(tmp_path, suffix):
    graph = read(put(tmp_path / "g.txt", TEXT))
    write(graph, tmp_path / f"out{suffix}")
    assert read(tmp_path / f"out{suffix}") == graph


def test_json_is_written_for_people_too(tmp_path, everything):
    write(everything, tmp_path / "g.json")
    text = (tmp_path / "g.json").read_text(encoding="utf-8")
    assert text.count("\n") > 50
    assert '"输入"' in text


def test_source_is_written(tmp_path):
    write(read(put(tmp_path / "g.txt", TEXT)), tmp_path / "g.py")
    compile((tmp_path / "g.py").read_text(encoding="utf-8"), "g.py", "exec")


def test_source_cannot_be_read(tmp_path):
    assert refused(put(tmp_path / "g.py", "1")) == (
        "g.py: Keras source can be written, not read\n   formats to read:"
        " .txt/.edges (edge list), .csv/.tsv (table of edges), .nx.json (networkx node-link),"
        " .graphml (GraphML), .dot/.gv (DOT), .mmd/.mermaid (Mermaid), .json (JSON),"
        " .keras (Keras model), .h5/.hdf5 (legacy Keras model), .onnx (ONNX),"
        " .tflite (TFLite), a folder (SavedModel), .pb/.pbtxt (TensorFlow graph)"
    )


@pytest.mark.parametrize("suffix", [".jsn", ".zip", ".csv", ""])
def test_unknown_formats_to_write_list_the_known_ones(tmp_path, suffix, everything):
    path = tmp_path / f"g{suffix}"
    near = " did you mean '.json'?" if suffix == ".jsn" else ""
    message = refused(path, lambda path: write(everything, path))
    assert message == (
        f"g{suffix}: no format to write has the suffix {suffix!r}\n  {near}"
        " formats to write: .txt/.edges (edge list), .nx.json (networkx node-link),"
        " .graphml (GraphML), .dot/.gv (DOT), .mmd/.mermaid (Mermaid), .json (JSON),"
        " .keras (Keras model), .py (Keras source)"
    )
    assert not path.exists()


def test_a_keras_model_is_built(tmp_path, everything):
    path = tmp_path / "g.keras"
    assert refused(path, lambda path: write(everything, path)) == (
        "g.keras: a Keras model is built, not only written\n   use Graph.save"
    )


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, make):
    path = put(tmp_path / "g.json", "old")
    odd = make.chain(make.node("x", "Opaque", class_name="A", settings={"f": object}))
    with pytest.raises(FormatError):
        write(odd, path)
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["g.json"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path, everything, monkeypatch):
    path = put(tmp_path / "g.json", "old")

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    message = refused(path, lambda path: write(everything, path))
    assert message == "g.json: cannot be written: No space left on device"
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["g.json"]


def test_no_such_file(tmp_path):
    for name in ("g.txt", "g.json", "g.keras", "g"):
        expected = f"{name}: cannot be read: No such file or directory"
        assert refused(tmp_path / name) == expected


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "d.txt").mkdir()
    assert refused(tmp_path / "d.txt") == "d.txt: cannot be read: Is a directory"


def test_binary_files(tmp_path):
    assert refused(put(tmp_path / "g.bin", b"\x89PNG\0\0")).startswith(
        "g.bin: neither text nor a known format\n   formats to read: .txt/.edges"
    )
    assert refused(put(tmp_path / "g.txt", b"a -> b\n\xff\xfe")).startswith(
        "g.txt: not UTF-8 text: byte 0xff at offset 7\n   formats to read"
    )


def test_json_errors_have_a_place(tmp_path):
    assert (
        refused(put(tmp_path / "g.json", '{\n "a": }')) == "g.json:2:7: not JSON: Expecting value"
    )
    assert refused(put(tmp_path / "g.json", "[" * 200_000)) == "g.json: JSON nested too deep"
    wrong = put(tmp_path / "g.json", '{"format": "opgraph.graph", "version": 1}')
    assert refused(wrong) == "g.json: nodes: expected a list, received nothing"


@pytest.mark.parametrize("content", ["[]", "3", '"a"', "null"])
def test_json_that_is_no_graph(tmp_path, content):
    assert "expected an object" in refused(put(tmp_path / "g.json", content))


def test_large_text_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "MOST_BYTES", 1 << 20)
    assert refused(put(tmp_path / "g.txt", b"a" * (2 << 20))) == "g.txt: larger than 1 MiB"


def test_a_zip_bomb_is_read_no_further_than_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MOST_BYTES", 1 << 20)
    path = zipped(tmp_path / "m.keras", {"config.json": b" " * (50 << 20)})
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    try:
        assert refused(path, read_keras_file) == "m.keras: config.json is larger than 1 MiB"
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_an_archive_of_very_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MOST_MEMBERS", 3)
    path = zipped(tmp_path / "m.keras", {f"{i}": "" for i in range(4)})
    assert refused(path) == "m.keras: an archive of more than 3 files"


def test_damaged_keras_files(tmp_path, make):
    assert refused(put(tmp_path / "m.keras", b"\x89HDF")) == (
        "m.keras: not a .keras file, which is a zip archive: File is not a zip file\n"
        "   a model in another form needs that form's suffix: .h5, .onnx, .tflite"
    )
    assert refused(zipped(tmp_path / "m.keras", {"a": ""})) == (
        "m.keras: an archive without config.json"
    )
    path = zipped(tmp_path / "m.keras", {"config.json": "{"})
    assert refused(path).startswith("m.keras: config.json is not JSON: ")
    path = zipped(tmp_path / "m.keras", {"config.json": "{}"})
    assert refused(path).startswith("m.keras/config.json: config: expected a functional")
    whole = zipped(tmp_path / "m.keras", {"config.json": json.dumps(config(make)) * 3}).read_bytes()
    for cut in range(1, len(whole), 13):
        path = put(tmp_path / "m.keras", whole[:cut])
        with pytest.raises(FormatError):
            read(path)
    for at in range(0, len(whole), 7):
        put(tmp_path / "m.keras", whole[:at] + b"\xff" + whole[at + 1 :])
        with pytest.raises(OpgraphError):
            read(tmp_path / "m.keras")


def test_an_encrypted_archive(tmp_path):
    path = zipped(tmp_path / "m.keras", {"config.json": "{}"})
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    assert "is encrypted, password required" in refused(put(path, bytes(data)))


def test_every_format_can_do_something():
    assert all(form.read or form.to_text for form in FORMATS)
    suffixes = [suffix for form in FORMATS for suffix in form.suffixes]
    assert len(suffixes) == len(set(suffixes))


def test_the_sample_is_read(tmp_path):
    graph = read(SAMPLES / "cnn.txt")
    assert (len(graph), len(graph.edges)) == (18, 17)
