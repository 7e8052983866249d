"""Totals, errors, unknown shapes, receptive fields and paths."""

import pytest

from opgraph.analysis import ReceptiveField, Sum, analyze, as_data
from opgraph.errors import AttributeValueError, Problems, ShapeError


def test_a_shape_error_names_node_sources_shapes_and_place(graph_of):
    text = (
        "x: Input(shape=(8,8,3)) -> conv1[filters=4] -> add\n"
        "x -> conv2[filters=6] -> add\nadd -> relu\n"
    )
    analysis = analyze(graph_of(text))
    (error,) = analysis.errors
    assert isinstance(error, ShapeError)
    assert error.node == "add"
    assert str(error) == (
        "graph:2:6  add: inputs of (8, 8, 4) and (8, 8, 6) do not fit: 4 meets 6, and neither is 1;"
        " receives (8, 8, 4) from 'conv1' and (8, 8, 6) from 'conv2'\n"
        "   2 │ x -> conv2[filters=6] -> add\n"
        "            ^^^^^^^^^^^^^^^^^^^^^^^"
    )
    assert analysis["conv2"].output == (8, 8, 6), "everything before the error is known"
    assert analysis["relu"].outputs == (), "nothing behind it is"
    assert analysis["relu"].error is None
    with pytest.raises(ShapeError):
        analysis.require()


def test_all_shape_errors_are_found_at_once(graph_of):
    text = "x: Input(shape=(8,8,3)) -> conv1d, lstm\n"
    with pytest.raises(Problems) as caught:
        analyze(graph_of(text)).require()
    assert [error.node for error in caught.value.errors] == ["conv1d", "lstm"]


def test_a_missing_attribute_is_an_error_of_its_node(graph_of):
    analysis = analyze(graph_of("x: Input(shape=(8,)) -> reshape"))
    (error,) = analysis.errors
    assert isinstance(error, AttributeValueError)
    assert error.headline == (
        "graph:1:25  reshape.target_shape: a value is needed, none was given or inferred"
    )


def test_unknown_dimensions_stay_unknown_and_totals_say_so(graph_of):
    analysis = analyze(graph_of("x: Input(shape=(none,none,3)) -> conv[filters=4] -> gap -> fc"))
    assert analysis["conv"].output == (None, None, 4)
    assert analysis["conv"].params == (3 * 3 * 3 * 4 + 4, 0)
    assert analysis["conv"].flops is None
    assert analysis["conv"].activation_bytes is None
    assert analysis["fc"].output == (10,)
    assert analysis.totals.flops == Sum(4 * 10 * 2 + 10, unknown=2)
    assert str(analysis.totals.flops) == ">= 90"


def test_opaque_layers_are_carried_and_not_counted(graph_of):
    text = "x: Input(shape=(4,)) -> o: Opaque(class_name=Strange) -> fc[units=2]"
    analysis = analyze(graph_of(text))
    assert not analysis.errors
    assert analysis["o"].output is None
    assert analysis["o"].weights is None
    assert analysis["fc"].params is None
    assert analysis.totals.params.unknown == 2


def test_frozen_nodes_are_not_trainable(graph_of):
    analysis = analyze(graph_of("x: Input(shape=(4,)) -> fc[units=2, trainable=false]"))
    assert analysis["fc"].params == (0, 10)


def test_receptive_field_of_two_branches_is_the_larger(graph_of):
    text = (
        "x: Input(shape=(32,32,3)) -> a: Conv2D(filters=4, kernel_size=5) -> add\n"
        "x -> b: Conv2D(filters=4, kernel_size=1) -> add"
    )
    assert analyze(graph_of(text))["add"].receptive_field == ReceptiveField((5, 5), (1, 1))


def test_dilation_widens_the_receptive_field(graph_of):
    text = "x: Input(shape=(32,32,3)) -> conv[filters=4, dilation_rate=4]"
    assert analyze(graph_of(text))["conv"].receptive_field.size == (9, 9)


def test_the_critical_path_takes_the_expensive_branch(graph_of):
    text = (
        "x: Input(shape=(8,8,3)) -> cheap: Conv2D(filters=4, kernel_size=1) -> add\n"
        "x -> dear: Conv2D(filters=4, kernel_size=7) -> add"
    )
    assert analyze(graph_of(text)).critical_path == ("x", "dear", "add")


def test_reading_a_port_that_is_not_there(graph_of):
    analysis = analyze(graph_of("x: Input(shape=(4,)) -> relu\nrelu.1 -> fc"))
    assert [error.problem for error in analysis.errors] == [
        "reads output 1 of 'relu', which has output 0 only"
    ]


def test_data_say_where_each_attribute_comes_from(graph_of):
    data = as_data(analyze(graph_of("image -> conv[kernel_size=5] -> gap -> fc")))
    conv = data["nodes"][1]["attributes"]
    assert conv["kernel_size"] == {"value": [5, 5], "from": "given"}
    assert conv["filters"]["from"] == "inferred"
    assert conv["filters"]["reason"]
    assert conv["padding"] == {"value": "same", "from": "default"}
    assert data["totals"]["params"]["nodes_not_counted"] == 0


def test_data_are_json(graph_of):
    import json

    data = as_data(
        analyze(graph_of("x: Input(shape=(none,4)) -> bi: Bidirectional(layer=LSTM(units=3))"))
    )
    assert json.loads(json.dumps(data)) == data
