"""Keras source: its text. That it runs and builds the same model is tested in tests/runtime."""

from __future__ import annotations

import ast

import pytest

from opgraph.errors import AttributeValueError, FormatError, OpgraphError, ShapeError
from opgraph.formats import to_source
from opgraph.graph import Edge, OpGraph


def test_the_whole_text(make):
    graph = OpGraph(
        [
            make.node("x_1", "Input", shape=(5, 3)),
            make.node("enc", "LSTM", units=4, return_state=True, label="编码"),
            make.node("a", "Dense", units=2, activation="relu", trainable=False),
            make.node("b", "Dense", units=2, activation="relu", trainable=False, shares="a"),
            make.node("join", "Concatenate"),
        ],
        [
            Edge("x_1", "enc", 0),
            Edge("enc", "a", 0, port=1),
            Edge("enc", "b", 0, port=2),
            Edge("a", "join", 0),
            Edge("b", "join", 1),
        ],
        "tiny",
    )
    assert to_source(graph) == (
        '"""Keras model tiny, written by opgraph: 5 nodes, 138 parameters."""\n'
        "\n"
        "import keras\n"
        "from keras import layers\n"
        "\n"
        "\n"
        "def build_model():\n"
        '    """Build the model; its weights are Keras\'s initial ones."""\n'
        '    x_1 = keras.Input(shape=(5, 3), name="x-1")  # (5, 3)\n'
        '    enc, enc_1, enc_2 = layers.LSTM(units=4, return_state=True, name="enc")(x_1)'
        "  # (4,), (4,), (4,)  编码\n"
        '    a_layer = layers.Dense(units=2, activation="relu", name="a", trainable=False)'
        "  # shared\n"
        "    a = a_layer(enc_1)  # (2,)\n"
        "    b = a_layer(enc_2)  # (2,)\n"
        '    join = layers.Concatenate(name="join")([a, b])  # (4,)\n'
        '    return keras.Model(inputs=x_1, outputs=join, name="tiny")\n'
        "\n"
        "\n"
        'if __name__ == "__main__":\n'
        "    build_model().summary()\n"
    )


def test_completed_attributes_are_marked(make):
    graph = make.chain(make.node("x", "Input"), make.node("fc", "Dense"))
    text = to_source(graph)
    assert "# (64,); completed: shape\n" in text
    assert "# (10,); completed: units\n" in text


NASTY = [
    '"""\nimport os\nos.system("x")\n"""',
    "a\rimport os",
    "x\u2028import os",
    "\\",
    "'); import os; ('",
    "{body}",
    "keras",
    "layers",
    "build_model",
    "class",
    "é",
    "e\u0301",
    "1",
    "_",
    "卷积",
    "a b",
    "a_b",
    "a_b_2",
]


def test_names_and_labels_cannot_leave_their_place(make):
    nodes = [
        make.node(name, "Dense", units=1, label=f"{name}\nimport os", kernel_initializer=name)
        for name in NASTY
    ]
    graph = make.chain(make.node("in", "Input", shape=(1,)), *nodes, name=NASTY[0])
    tree = ast.parse(to_source(graph))
    imports = [part for part in ast.walk(tree) if isinstance(part, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(part) for part in imports] == ["import keras", "from keras import layers"]
    function = next(part for part in tree.body if isinstance(part, ast.FunctionDef))
    assigned = [part.targets[0] for part in function.body if isinstance(part, ast.Assign)]
    names = [target.id for target in assigned if isinstance(target, ast.Name)]
    assert len(names) == len(set(names)) == len(graph)
    assert not {"keras", "layers", "build_model"} & set(names)
    literals = {part.value for part in ast.walk(tree) if isinstance(part, ast.Constant)}
    assert set(NASTY) <= literals


def test_settings_of_unknown_layers_are_literals(make):
    graph = make.chain(
        make.node("x", "Input", shape=(1,)),
        make.node("y", "Opaque", class_name='A"', settings={"config": {'"); import os #': 1}}),
    )
    tree = ast.parse(to_source(graph))
    assert '"); import os #' in {p.value for p in ast.walk(tree) if isinstance(p, ast.Constant)}


@pytest.mark.parametrize("key", ["x=1)\nimport os", "class", ""])
def test_names_of_arguments_are_names(make, key):
    call = {"args": [{"$slot": 0}], "kwargs": {key: 1}}
    graph = make.chain(
        make.node("x", "Input", shape=(1,)),
        make.node("y", "Opaque", class_name="A", settings={"call": call}),
    )
    with pytest.raises(OpgraphError) as caught:
        to_source(graph)
    assert f"{key!r} cannot be the name of an argument" in str(caught.value)
    assert caught.value.node == "y"


@pytest.mark.parametrize("slot", [1, -1, "0", None])
def test_slots_that_are_not_there(make, slot):
    graph = make.chain(
        make.node("x", "Input", shape=(1,)),
        make.node("y", "Opaque", class_name="A", settings={"call": {"args": [{"$slot": slot}]}}),
    )
    with pytest.raises(AttributeValueError) as caught:
        to_source(graph)
    assert (
        str(caught.value)
        == f"y: not the settings of a Keras layer: the call reads slot {slot!r} of 1"
    )


def test_what_has_no_literal_is_an_error(make):
    graph = make.chain(
        make.node("x", "Input", shape=(1,)),
        make.node("y", "Dense", units=1, kernel_initializer=object),
    )
    with pytest.raises(FormatError) as caught:
        to_source(graph)
    expected = "y: Python source has no literal for type <class 'object'>"
    assert str(caught.value) == expected


def test_a_graph_with_errors_has_no_source(make):
    with pytest.raises(ShapeError):
        to_source(
            make.chain(make.node("x", "Input", shape=(4,)), make.node("c", "Conv2D", filters=1))
        )
