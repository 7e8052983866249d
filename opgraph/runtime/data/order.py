"""In which order examples are used: a pure function of (seed, epoch, size).

Random keys are the raw 64-bit words of the counter-based generator Philox4x64-10 (Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", 2011), and the order is that of the sorted keys. Raw
words of a bit generator are what NumPy promises never to change (NEP 19); its shuffles and floats
carry no such promise, so they are not used. Owns random words, permutations and the split into
train and test; must not know examples.
"""

from __future__ import annotations

import numpy as np

from opgraph.runtime.data.result import Array

WORD = (1 << 64) - 1
# Far from the streams of orders (the epochs) and of made-up data.
CHANGES = 1 << 62
# Words for the changes of one example; each change takes its own, so that others may be added.
EACH = 16


def random_words(seed: int, stream: int, count: int) -> Array:
    """`count` random 64-bit words, the same for the same (seed, stream) everywhere.

    >>> [hex(word) for word in random_words(0, 0, 2)]
    ['0x2f4ba6408e4d89b', '0x3dd62b0b9ca8c5b2']
    """
    key = np.array([seed & WORD, stream & WORD], dtype=np.uint64)
    return np.asarray(np.random.Philox(key=key).random_raw(count), dtype=np.uint64)


def uniform(seed: int, stream: int, shape: tuple[int, ...]) -> Array:
    """Numbers in [0, 1): the upper 53 bits of random words.

    >>> uniform(0, 0, (2,)).round(6).tolist()
    [0.011547, 0.241549]
    """
    words = random_words(seed, stream, int(np.prod(shape, dtype=np.int64)))
    return ((words >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)


def permutation(size: int, *, seed: int, epoch: int) -> Array:
    """The order of the examples in an epoch.

    >>> permutation(5, seed=0, epoch=0).tolist(), permutation(5, seed=0, epoch=1).tolist()
    ([0, 2, 1, 4, 3], [3, 2, 4, 1, 0])
    """
    return np.argsort(random_words(seed, epoch, size), kind="stable")


def change_words(size: int, *, seed: int, epoch: int) -> Array:
    """Random words for each example, from which its changes in an epoch are drawn.

    Those of an example depend on (seed, epoch, index) alone, not on how many examples there are.

    >>> words = change_words(3, seed=0, epoch=0)
    >>> words.shape, bool((change_words(9, seed=0, epoch=0)[:3] == words).all())
    ((3, 16), True)
    """
    drawn = random_words(seed, CHANGES + epoch, EACH * size)
    return drawn.reshape(size, EACH)


def stratified(labels: Array, fraction: float, seed: int) -> tuple[Array, Array]:
    """Indices to train on and to test on; each class gives the same share to both.

    Each class is put in random order and spread evenly over [0, 1); what lies highest is for the
    test. Both parts keep the order of the data.

    >>> train, test = stratified(np.array([0, 1] * 4), 0.25, seed=0)
    >>> test.tolist()
    [1, 6]
    """
    size = len(labels)
    keys = random_words(seed, WORD, size)
    place = np.empty(size)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        ranks = np.argsort(np.argsort(keys[members], kind="stable"), kind="stable")
        place[members] = (ranks + 0.5) / len(members)
    ranked = np.lexsort((keys, place))
    cut = size - max(1, int(size * fraction + 0.5))
    return np.sort(ranked[:cut]), np.sort(ranked[cut:])
