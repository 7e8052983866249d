"""Answers questions of a lesson again, in float64, from the given numbers alone."""

import math
import re

import numpy as np


def row(given, name):
    """All numbers of a name: x[0], x[1], ... in their order."""
    return np.array([float(v) for k, v in given.items() if k.startswith(f"{name}[")])


def num(given, name, default=None):
    return float(given[name]) if name in given else default


FUNCTIONS = {
    "linear": lambda x: x,
    "relu": lambda x: max(x, 0.0),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "gelu": lambda x: x / 2 * (1 + math.erf(x / math.sqrt(2))),
}


def params(g):
    sizes = {}
    for key, value in g.items():
        name = re.sub(r"\.shape\[\d+\]$", "", key)
        sizes[name] = sizes.get(name, 1) * int(value)
    return sum(sizes.values())


def shape(g):
    size, window, stride = (int(g[name]) for name in ("size", "window", "stride"))
    reach = int(g["dilation"]) * (window - 1) + 1
    if g["padding"] == "same":
        return len(range(0, size, stride))
    return len(range(0, size - reach + 1, stride))


def limit(g):
    dims = [int(x) for x in row(g, "shape")]
    field = math.prod(dims[:-2])
    fan_in, fan_out = dims[-2] * field, dims[-1] * field
    family, kind = g["initializer"].split("_")
    scale = {"glorot": 2 / (fan_in + fan_out), "he": 2 / fan_in, "lecun": 1 / fan_in}[family]
    return math.sqrt(3 * scale) if kind == "uniform" else math.sqrt(scale) / 0.87962566103423978


def weighted(g):
    total = sum(row(g, "x") * row(g, "kernel")) + num(g, "bias", 0.0)
    return FUNCTIONS[g.get("function", "linear")](total)


def normalised(g):
    spread = (num(g, "x") - num(g, "mean")) / math.sqrt(num(g, "variance") + num(g, "epsilon"))
    return spread * num(g, "gamma") + num(g, "beta")


def layer_norm(g):
    x = row(g, "x")
    spread = (x - x.mean()) / np.sqrt(x.var() + num(g, "epsilon"))
    return spread[int(g["at"])] * num(g, "gamma") + num(g, "beta")


MERGES = {
    "Add": np.sum, "Multiply": np.prod, "Average": np.mean, "Maximum": np.max, "Minimum": np.min,
    "Subtract": lambda x: x[0] - x[1],
}  # fmt: skip


def softmax(g):
    powers = np.exp(row(g, "z"))
    return powers[int(g["at"])] / powers.sum()


def blocked(g):
    return int(((row(g, "grad") != 0) & (row(g, "x") <= 0)).sum())


def new_value(g):
    w, grad, rate, t = (num(g, name) for name in ("w", "g", "rate", "step"))
    w -= w * num(g, "weight_decay", 0.0) * rate
    if g["optimizer"] in ("Adam", "AdamW"):
        b1, b2 = num(g, "beta_1"), num(g, "beta_2")
        m = b1 * num(g, "momentum.before") + (1 - b1) * grad
        v = b2 * num(g, "velocity.before") + (1 - b2) * grad**2
        alpha = rate * math.sqrt(1 - b2**t) / (1 - b1**t)
        return w - alpha * m / (math.sqrt(v) + num(g, "epsilon"))
    if g["optimizer"] == "SGD":
        speed = num(g, "momentum", 0.0) * num(g, "momentum.before", 0.0) - rate * grad
        if num(g, "nesterov", 0.0):
            speed = num(g, "momentum") * speed - rate * grad
        return w + speed
    v = num(g, "rho") * num(g, "velocity.before") + (1 - num(g, "rho")) * grad**2
    return w - rate * grad / math.sqrt(v + num(g, "epsilon"))


ANSWERS = {
    "params": params,
    "shape": shape,
    "limit": limit,
    "convolution": weighted,
    "dense": weighted,
    "batch_norm": normalised,
    "layer_norm": layer_norm,
    "winner": lambda g: max(row(g, "x")),
    "mean": lambda g: row(g, "x").mean(),
    "merge": lambda g: MERGES[g["op"]](row(g, "x")),
    "dropout": lambda g: num(g, "x") * num(g, "kept") / (1 - num(g, "rate")),
    "softmax": softmax,
    "entropy": lambda g: -math.log(row(g, "p")[int(g["label"])]),
    "squared": lambda g: ((row(g, "output") - row(g, "y")) ** 2).mean(),
    "squared_gradient": lambda g: 2 * (num(g, "output") - num(g, "y")) / num(g, "count"),
    "mean_loss": lambda g: row(g, "loss").mean(),
    "first_gradient": lambda g: (num(g, "p") - num(g, "y")) / num(g, "count"),
    "weight_gradient": lambda g: sum(row(g, "x") * row(g, "grad")),
    "bias_gradient": lambda g: sum(row(g, "grad")),
    "blocked": blocked,
    "new_value": new_value,
    "moving_mean": lambda g: (
        num(g, "momentum") * num(g, "old") + (1 - num(g, "momentum")) * num(g, "batch")
    ),
    "initial_share": lambda g: num(g, "momentum") ** num(g, "updates"),
}


def convolution_of_arrays(given, arrays, node, source):
    """One number of a 2D convolution with padding `same` and stride 1, by loops over whole maps."""
    x, kernel = arrays[f"{source}/output"].astype(float), arrays[f"{node}/kernel"].astype(float)
    top, left, channel = (int(v) for v in row(given, "at"))
    total = float(arrays[f"{node}/bias"][channel]) if f"{node}/bias" in arrays else 0.0
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            r, c = top + i - (kernel.shape[0] - 1) // 2, left + j - (kernel.shape[1] - 1) // 2
            if 0 <= r < x.shape[0] and 0 <= c < x.shape[1]:
                total += float(x[r, c] @ kernel[i, j, :, channel])
    return total
