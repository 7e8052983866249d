"""A small network with every part that a fault can be planted in, and how it is exported."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SHAPE = (12, 12, 3)


def network(**changed: Any) -> Any:
    """Two branches, a concatenation, a square dense layer; nothing in it is trivial."""
    import keras
    from keras import layers

    epsilon = changed.get("epsilon", 1e-3)
    norm = changed.get("norm", layers.BatchNormalization)
    x = keras.Input(SHAPE, name="image")
    y = layers.Conv2D(8, 3, padding="same", strides=2, name="conv")(x)
    y = norm(epsilon=epsilon, name="bn")(y)
    y = layers.ReLU(name="relu")(y)
    a = layers.MaxPooling2D(2, name="pool")(y)
    b = layers.AveragePooling2D(2, name="mean")(y)
    y = layers.Concatenate(name="join")([a, b])
    y = layers.Flatten(name="flat")(y)
    y = layers.Dense(16, name="first")(y)
    y = layers.ReLU(name="relu_first")(y)
    y = layers.Dense(16, name="square")(y)
    y = layers.ReLU(name="relu_square")(y)
    y = layers.Dense(5, name="logits")(y)
    model = keras.Model(x, layers.Softmax(name="softmax")(y), name="net")
    fill(model)
    model(np.zeros((1, *SHAPE), "float32"))
    return model


def fill(model: Any) -> None:
    """Weights that no initialiser gives: statistics and biases that matter."""
    rng = np.random.default_rng(3)
    for weight in model.weights:
        drawn = rng.standard_normal(weight.shape).astype("float32")
        kind = weight.path.rsplit("/", 1)[-1]
        # Small variances, so that another epsilon shows.
        scaled = {"moving_variance": 0.01 + 0.02 * drawn**2, "gamma": 1 + 0.3 * drawn,
                  "kernel": 0.2 * drawn}  # fmt: skip
        weight.assign(scaled.get(kind, 0.5 * drawn))


def images(count: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Inputs as drawn from a normal distribution."""
    rng = np.random.default_rng(seed)
    return (scale * rng.standard_normal((count, *SHAPE))).astype("float32")


def export(model: Any, path: Path, **options: Any) -> Path:
    """Write a model as `.onnx` or `.tflite`; what the converters print is kept away."""
    kind = "onnx" if path.suffix == ".onnx" else "litert"
    with contextlib.redirect_stdout(io.StringIO()):
        model.export(str(path), format=kind, verbose=False, **options)
    return path


def export_int8(model: Any, path: Path, scale: float) -> Path:
    """Write a quantised `.tflite`, its ranges taken from inputs of a scale."""
    import tensorflow as tf

    def samples() -> Iterator[list[np.ndarray]]:
        for i in range(32):
            yield [images(1, i, scale)]

    return export(
        model, path, optimizations=[tf.lite.Optimize.DEFAULT], representative_dataset=samples
    )
