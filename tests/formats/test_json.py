"""`graph.json`: there and back with nothing lost, and every fault named by its path."""

from __future__ import annotations

import contextlib
import copy
import json

import pytest

from opgraph.errors import FormatError, Problems
from opgraph.formats import from_json, to_json
from opgraph.graph import Inferred


def written(graph):
    return json.loads(json.dumps(to_json(graph), allow_nan=False))


def refused(data):
    with pytest.raises((FormatError, Problems)) as caught:
        from_json(data)
    return str(caught.value)


def test_nothing_is_lost(everything):
    again = from_json(written(everything))
    assert again == everything
    assert again.name == "all of it"
    assert list(again.nodes) == list(everything.nodes)
    assert again.edges == everything.edges
    for node in everything:
        other = again[node.name]
        assert (other.guessed, other.label, other.shares) == (
            node.guessed,
            node.label,
            node.shares,
        )
        assert set(other.given) == set(node.given)
        assert dict(other.inferred) == dict(node.inferred)


def test_provenance_is_kept(everything):
    again = from_json(written(everything))
    assert again["enc"].provenance("units") == "given"
    assert again["enc"].provenance("return_sequences") == "inferred"
    assert again["enc"].provenance("go_backwards") == "default"
    assert again["enc"].inferred["return_sequences"] == Inferred(True, "'dec' reads a sequence")


def test_values_have_their_types_back(everything):
    again = from_json(written(everything))
    assert again["输入"].given["shape"] == (5, None)
    assert again["bound"].given["max_value"] == float("inf")
    assert again["wide"].op == everything["wide"].op


def test_what_json_has_no_form_for_is_an_error(make):
    graph = make.chain(make.node("x", "Opaque", class_name="A", settings={"f": object}))
    with pytest.raises(FormatError) as caught:
        to_json(graph)
    assert str(caught.value) == "x.settings: JSON has no form for type <class 'object'>"
    graph = make.chain(make.node("x", "Opaque", class_name="A", settings={1: 2}))
    with pytest.raises(FormatError) as caught:
        to_json(graph)
    assert str(caught.value) == "x.settings: JSON keys are text, received 1"


def change(path, value):
    """A change of one item; the path is a list of keys."""

    def apply(data):
        for key in path[:-1]:
            data = data[key]
        if value is KeyError:
            del data[path[-1]]
        else:
            data[path[-1]] = value

    return apply


FAULTS = [
    (["format"], "other", "format: expected 'opgraph.graph', received 'other'"),
    (
        ["version"],
        2,
        "version: this opgraph reads versions up to 1, received 2\n"
        "   a newer opgraph wrote this file: pip install --upgrade opgraph",
    ),
    (
        ["version"],
        True,
        "version: this opgraph reads versions up to 1, received True\n"
        "   a newer opgraph wrote this file: pip install --upgrade opgraph",
    ),
    (["nodes"], {}, "nodes: expected a list, received {}"),
    (["nodes", 1], 7, "nodes[1]: expected an object, received 7"),
    (["nodes", 1, "name"], KeyError, "nodes[1].name: expected a text, received nothing"),
    (["nodes", 1, "name"], "", "nodes[1].name: expected a text, received ''"),
    (
        ["nodes", 1, "op"],
        "LSTN",
        "nodes[1].op: unknown op 'LSTN'\n   did you mean 'LSTM'?",
    ),
    (
        ["nodes", 1, "op"],
        "Quux",
        "nodes[1].op: unknown op 'Quux'\n   all names: opgraph ops",
    ),
    (
        ["nodes", 1, "extra"],
        1,
        "nodes[1]: unknown key 'extra'\n"
        "   known keys: given, guessed, inferred, label, name, op, shares",
    ),
    (["nodes", 1, "lable"], "x", "nodes[1]: unknown key 'lable'\n   did you mean 'label'?"),
    (["nodes", 1, "given"], [], "nodes[1].given: expected an object, received []"),
    (
        ["nodes", 1, "given", "units"],
        "four",
        "nodes[1].given.units: expected a whole number of at least 1, received 'four'",
    ),
    (
        ["nodes", 1, "given", "unit"],
        4,
        "nodes[1].given.unit: LSTM has no attribute 'unit'\n   did you mean 'units'?",
    ),
    (
        ["nodes", 1, "inferred", "return_sequences"],
        {"reason": "so"},
        "nodes[1].inferred.return_sequences: has no value",
    ),
    (
        ["nodes", 1, "inferred", "return_sequences", "reason"],
        3,
        "nodes[1].inferred.return_sequences.reason: expected a text, received 3",
    ),
    (["nodes", 0, "guessed"], 1, "nodes[0].guessed: expected true or false, received 1"),
    (["nodes", 0, "label"], 1, "nodes[0].label: expected a text, received 1"),
    (["nodes", 2, "name"], "enc", "nodes[2].name: a second node 'enc'"),
    (
        ["nodes", 6, "given", "max_value"],
        {"$float": "1"},
        "nodes[6].given.max_value: expected 'nan', 'inf' or '-inf', received '1'",
    ),
    (
        ["edges", 0, "slot"],
        -1,
        "edges[0].slot: expected a whole number of at least 0, received -1",
    ),
    (
        ["edges", 0, "port"],
        True,
        "edges[0].port: expected a whole number of at least 0, received True",
    ),
    (["edges", 0, "target"], "encc", "edges[0].target: no node is called 'encc'\n   did you mean"),
    (["edges", 1, "slot"], 1, "edges[2].slot: slot 1 of 'dec' is taken already"),
    (["nodes", 3, "shares"], "decc", "nodes[3].shares: no node is called 'decc'\n   did you"),
    (["nodes", 2, "shares"], "twin", "nodes[2].shares: 'dec' shares its own weights"),
]


@pytest.mark.parametrize(("path", "value", "message"), FAULTS)
def test_faults_are_named_by_their_path(everything, path, value, message):
    data = written(everything)
    change(path, value)(data)
    assert message in refused(data)


def test_all_faults_are_found_in_one_go(everything):
    data = written(everything)
    change(["nodes", 0, "op"], "Quux")(data)
    change(["nodes", 1, "given", "units"], 0)(data)
    change(["edges", 0, "slot"], "a")(data)
    message = refused(data)
    assert message.startswith("nodes[0].op: unknown op 'Quux'")
    assert "\n\nnodes[1].given.units: " in message
    assert "\n\nedges[0].slot: " in message


@pytest.mark.parametrize("data", [None, 3, "text", [], {}, {"format": "opgraph.graph"}])
def test_anything_else_is_refused(data):
    assert refused(data)


def test_absurd_nesting_is_refused(everything):
    data = written(everything)
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    data["nodes"][5]["given"]["settings"]["a"] = deep
    message = "nodes[5].given.settings: nested more than 64 levels deep"
    assert refused(data) == message


def test_any_damage_ends_in_one_of_our_errors(everything):
    """Every value in the document replaced, one at a time, by things that are not expected."""
    data = written(everything)
    for path in list(paths(data)):
        for value in (None, [], {}, -1, "?", 1e300, True):
            damaged = copy.deepcopy(data)
            change(path, value)(damaged)
            with contextlib.suppress(FormatError, Problems):
                from_json(damaged)


def paths(data, before=()):
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        yield [*before, key]
        if isinstance(value, dict | list):
            yield from paths(value, (*before, key))
