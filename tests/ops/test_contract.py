"""Every op of the library keeps the contract, without Keras."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import opgraph.ops as ops
from opgraph.analysis.complete import RULES
from opgraph.ops import Category, Op, Reach, freeze
from opgraph.ops.contract import Case, check_op


def test_every_op_has_a_case(cases):
    library = [kind.kind for kind in ops.kinds() if kind.__module__.startswith("opgraph.")]
    assert sorted(library) == sorted(cases)
    assert all(cases.values())


def test_op_keeps_the_contract(op_name, cases):
    check_op(ops.require(op_name), cases[op_name])


def test_op_is_described(op_name):
    kind = ops.require(op_name)
    assert kind.kind == kind.__name__ == op_name
    assert kind.summary.endswith(".")
    assert kind.category in get_args(Category)
    assert kind.__module__ == f"opgraph.ops.library.{kind.family}"
    for spec in kind.schema().values():
        assert spec.doc[0] != " "
        assert not spec.doc.endswith(".")
        assert spec.rule is None or spec.rule in RULES


def test_required_attributes_without_rule_are_few():
    """What an edge list must say, because nothing can be inferred."""
    required = {
        f"{kind.kind}.{spec.name}"
        for kind in ops.kinds()
        for spec in kind.schema().values()
        if spec.is_required and spec.rule is None and kind.family != "adaptive"
    }
    assert required == {
        "Activation.activation",
        "Bidirectional.layer",
        "CenterCrop.height",
        "CenterCrop.width",
        "EinsumDense.equation",
        "EinsumDense.output_shape",
        "GaussianNoise.stddev",
        "Opaque.class_name",
        "Permute.dims",
        "RepeatVector.n",
        "Rescaling.scale",
        "Reshape.target_shape",
        "Resizing.height",
        "Resizing.width",
        "SpectralNormalization.layer",
        "StochasticDepth.drop_path_rate",
        "TimeDistributed.layer",
    }


def test_only_symmetric_ops_are_commutative():
    found = {kind.kind for kind in ops.kinds() if kind.commutative}
    assert found == {"Add", "Multiply", "Average", "Maximum", "Minimum"}


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_unknown_dims_stay_unknown(cases, data):
    """Any set of dimensions unknown: what is still said agrees with what is known."""
    name = data.draw(st.sampled_from(sorted(set(cases) - {"Input", "Opaque"})))
    case = data.draw(st.sampled_from(cases[name]))
    op = ops.require(name)(**case.attrs)
    vague = [tuple(data.draw(st.sampled_from([dim, None])) for dim in s) for s in case.inputs]
    known, less = op.shape(*case.inputs), op.shape(*vague)
    for a, b in zip(ports(known), ports(less), strict=True):
        assert len(a) == len(b)
        assert all(part in (None, whole) for whole, part in zip(a, b, strict=True))
    arrays = op.weights(*vague)
    for key, weight in op.weights(*case.inputs).items():
        pairs = zip(weight.shape, arrays[key].shape, strict=True)
        assert all(part in (None, whole) for whole, part in pairs)
    assert isinstance(op.reach(*vague), Reach | None)


def ports(shape):
    return shape if isinstance(shape, list) else [shape]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_ops_are_values(cases, data):
    """Equal attributes make equal ops with equal hashes; a changed one makes another op."""
    name = data.draw(st.sampled_from(sorted(cases)))
    first, second = (data.draw(st.sampled_from(cases[name])) for _ in range(2))
    kind = ops.require(name)
    one, two = kind(**first.attrs), kind(**second.attrs)
    assert (one == two) == (freeze(one.values()) == freeze(two.values()))
    assert one != two or hash(one) == hash(two)
    with pytest.raises(AttributeError, match=f"^{name} cannot be changed; make another one$"):
        one.trainable = False


class Careless(Op):
    """Breaks the contract in ways that the cases ask for."""

    fault: str = ops.attr(default="none", doc="what is wrong")
    kind, aliases, category, family = "Careless", (), "activation", "test"
    summary = "Careless."

    def shape(self, x):
        if self.fault == "refuses":
            raise self.refuse("never fits")
        return (*x[:-1], 7 if x[-1] is None and self.fault == "invents" else x[-1])

    def weights(self, x):
        dim = 5 if x[0] is None and self.fault == "weights" else x[0]
        return {"kernel": ops.Weight((dim,))}

    def flops(self, x):
        return -1 if self.fault == "negative" else 12


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        (Case({}, [(4, 3)], output=(4,)), "expected output [(4,)], received [(4, 3)]"),
        (Case({}, [(4, 3)], weights={}), "expected weights {}, received {'kernel': (4,)}"),
        (Case({}, [(4, 3)], flops=13), "expected 13 flops, received 12"),
        (Case({"fault": "negative"}, [(4, 3)]), "flops must be a whole number or None, is -1"),
        (Case({"fault": "invents"}, [(4, 3)]), "[(4, 7)] contradicts [(4, 3)]"),
        (Case({"fault": "weights"}, [(4, 3)]), "weights {'kernel': (5,)} contradict"),
        (Case({"fault": "refuses"}, [(4, 3)], refuses="fit in"), "expected 'fit in' in 'never"),
        (Case({}, [(4, 3)], refuses="x"), "must be refused, gives [(4, 3)]"),
    ],
)
def test_broken_contract_is_found(case, problem):
    with pytest.raises(AssertionError) as caught:
        check_op(Careless, [case])
    assert problem in str(caught.value)


def test_contract_needs_a_case():
    with pytest.raises(AssertionError, match=r"^Careless: give at least one case$"):
        check_op(Careless, [])
