"""What has a reference, what has none, and what is refused in which words."""

from __future__ import annotations

import numpy as np
import pytest

from opgraph.errors import ReferenceMissingError, ShapeError
from opgraph.ops import require
from opgraph.reference import Computed, Given, compute, has_reference, missing, reference
from opgraph.reference.registry import _REFERENCES

X = np.ones((2, 3))


def refused(kind, inputs=(X,), weights=None, training=True, **attrs):
    with pytest.raises((ReferenceMissingError, ShapeError)) as caught:
        compute(Given(require(kind)(**attrs), inputs, weights or {}, training))
    return str(caught.value)


def test_these_ops_have_no_reference():
    """A new op has to be decided: give it a reference, or add it here."""
    assert missing() == ["Opaque", "SpectralNormalization"]
    assert not has_reference("NoSuchOp")


def test_an_op_without_reference_says_what_can_be_done():
    assert refused(
        "SpectralNormalization", layer={"class_name": "Dense", "config": {"units": 2}}
    ) == (
        "there is no independent computation of SpectralNormalization\n"
        "   what was recorded can still be shown; add one with @opgraph.reference.reference"
    )


@pytest.mark.parametrize(
    ("name", "attrs", "shape", "text"),
    [
        (
            "UpSampling2D",
            {"interpolation": "bilinear"},
            (4, 4, 1),
            "there is no independent computation of interpolation='bilinear'",
        ),
        (
            "CenterCrop",
            {"height": 9, "width": 3},
            (4, 4, 1),
            "there is no independent computation of CenterCrop(height=9, width=3) on an image of"
            " (4, 4), which is enlarged first",
        ),
        (
            "Dropout",
            {"rate": 0.3},
            (3,),
            "Dropout(rate=0.3) draws random numbers in training\n"
            "   give what it drew as the mask, or compute with training=False",
        ),
    ],
)
def test_attributes_without_reference_are_named(name, attrs, shape, text):
    assert refused(name, (np.ones((1, *shape)),), **attrs) == text


def filled(op, *shapes):
    return {name: np.ones(weight.shape) for name, weight in op.weights(*shapes).items()}


@pytest.mark.parametrize(
    ("name", "attrs", "shape", "text"),
    [
        (
            "BatchNormalization",
            {"renorm": True},
            (3,),
            "there is no independent computation of BatchNormalization(renorm=True) with renorm",
        ),
        (
            "LayerNormalization",
            {"rms_scaling": True},
            (3,),
            "there is no independent computation of LayerNormalization(rms_scaling=True) with"
            " rms_scaling",
        ),
        (
            "LSTM",
            {"units": 2, "stateful": True},
            (4, 3),
            "there is no independent computation of a stateful LSTM: it begins with the state of"
            " the batch before",
        ),
        (
            "GRU",
            {"units": 2, "dropout": 0.5},
            (4, 3),
            "GRU(units=2, dropout=0.5) draws random numbers in training, which are not recorded\n"
            "   compute with training=False",
        ),
        (
            "MultiHeadAttention",
            {"num_heads": 1, "key_dim": 2, "dropout": 0.5},
            (4, 3),
            "MultiHeadAttention(num_heads=1, key_dim=2, dropout=0.5) draws random numbers in"
            " training\n   give what it drew as the mask, or compute with training=False",
        ),
    ],
)
def test_layers_with_weights_say_what_they_cannot(name, attrs, shape, text):
    weights = filled(require(name)(**attrs), shape)
    assert refused(name, (np.ones((2, *shape)),), weights, **attrs) == text


def test_wrong_weights_inputs_and_gradients_are_refused():
    assert refused("Dense", units=2, weights={"kernel": np.ones((3, 2))}) == (
        "Dense has the weights {'kernel': (3, 2), 'bias': (2,)}, received {'kernel': (3, 2)}"
    )
    assert refused("Add") == "Add takes 2 inputs or more, received 1"
    computed = compute(Given(require("ReLU")(), (X,)))
    with pytest.raises(ShapeError) as caught:
        computed.pull([np.ones((2, 2))])
    assert str(caught.value) == ("a gradient has the shape of its output, (2, 3), received (2, 2)")
    with pytest.raises(ShapeError) as caught:
        computed.pull([])
    assert str(caught.value) == "expected a gradient for each of 1 outputs, got 0"


def test_a_reference_can_be_added():
    @reference("SpectralNormalization")
    def nothing(given: Given) -> Computed:
        return Computed((given.x,), lambda gradients: gradients)

    try:
        assert has_reference("SpectralNormalization")
    finally:
        del _REFERENCES["SpectralNormalization"]


def test_dropout_divides_what_it_keeps():
    mask = np.array([[1, 0, 1], [0, 0, 1]])
    computed = compute(Given(require("Dropout")(rate=0.75), (X,), mask=mask))
    assert computed.outputs[0].tolist() == [[4, 0, 4], [0, 0, 4]]
    assert computed.parts["kept"].tolist() == mask.tolist()
    again = compute(Given(require("Dropout")(rate=0.75), (X,), mask=mask * 4))  # as multiplied
    assert again.outputs[0].tolist() == computed.outputs[0].tolist()
    assert (
        compute(Given(require("Dropout")(), (X,), training=False)).outputs[0].tolist() == X.tolist()
    )


def test_batch_normalisation_moves_its_statistics():
    op = require("BatchNormalization")(momentum=0.9, center=False, scale=False)
    weights = {"moving_mean": np.zeros(1), "moving_variance": np.ones(1)}
    computed = compute(Given(op, (np.array([[1.0], [3.0]]),), weights))
    assert computed.parts["mean"].tolist() == [2]
    assert computed.parts["variance"].tolist() == [1]
    assert computed.moved["moving_mean"] == pytest.approx(0.2)
    assert computed.moved["moving_variance"] == pytest.approx(1.0)
    frozen = compute(Given(op, (X[:, :1],), weights, training=False))
    assert not frozen.moved


def test_the_winner_of_a_pool_is_named():
    x = np.array([[1.0, 5, 2, 2]])[..., None]
    computed = compute(Given(require("MaxPooling1D")(), (x,)))
    assert computed.parts["winners"].ravel().tolist() == [1, 0]
    assert computed.parts["ties"].ravel().tolist() == [0, 1]
