"""The data that Keras can download: what they look like, known without Keras and without a network.

Owns this table only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class KerasDataset:
    """One dataset of `keras.datasets`.

    Attributes:
        kind: pictures, token sequences, or rows of numbers with a price to predict.
        num_classes: number of classes, where there are classes.
        examples: to train and to test on, together.
        shape: (H, W, C) of its pictures.
        columns: numbers in one of its rows.
        class_names: where its documentation gives them.
    """

    kind: Literal["pictures", "tokens", "numbers"]
    num_classes: int = 10
    examples: int = 70_000
    shape: tuple[int, int, int] = (28, 28, 1)
    columns: int = 0
    class_names: tuple[str, ...] | None = None


_CLOTHES = "T-shirt/top Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag Ankle_boot"
_THINGS = "airplane automobile bird cat deer dog frog horse ship truck"

KERAS_NAMES = {
    "mnist": KerasDataset("pictures"),
    "fashion_mnist": KerasDataset(
        "pictures", class_names=tuple(name.replace("_", " ") for name in _CLOTHES.split())
    ),
    "cifar10": KerasDataset(
        "pictures", examples=60_000, shape=(32, 32, 3), class_names=tuple(_THINGS.split())
    ),
    "cifar100": KerasDataset("pictures", num_classes=100, examples=60_000, shape=(32, 32, 3)),
    "imdb": KerasDataset(
        "tokens", num_classes=2, examples=50_000, class_names=("negative", "positive")
    ),
    "reuters": KerasDataset("tokens", num_classes=46, examples=11_228),
    "boston_housing": KerasDataset("numbers", examples=506, columns=13),
    "california_housing": KerasDataset("numbers", examples=20_640, columns=8),
}
