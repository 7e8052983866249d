"""What a node was in the file that it was read from: its names there, and its weights, unread.

Owns the record only; must not know any format. Nothing is read until a weight is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from opgraph.errors import FormatError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


@dataclass(frozen=True)
class WeightSource:
    """An array of a file: what it is called there, its shape and dtype, and how it is read.

    Attributes:
        name: in the file, as the file spells it.
        shape: of the array as `read` hands it over, in the axis order of the op (Keras's).
        dtype: NumPy's name of it, or `bfloat16`, `float8_e4m3fn`, `int4` and so on.
        load: reads the array; opens the file anew each time.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], Array] = field(repr=False, compare=False)

    def read(self) -> Array:
        """The array itself; memory-mapped where the format allows.

        Raises:
            FormatError: the file has gone, or no longer holds such an array.

        >>> import numpy as np
        >>> source = WeightSource("w", (2,), "int64", lambda: np.array([1, 2]))
        >>> source.read().tolist()
        [1, 2]
        """
        array = self.load()
        if tuple(array.shape) != self.shape:
            raise FormatError(
                f"expected an array of shape {self.shape}, received {tuple(array.shape)}",
                where=self.name,
                hint="the file has changed since it was read",
            )
        return array

    def changed(self, shape: tuple[int, ...], how: Callable[[Array], Array]) -> WeightSource:
        """The same array in another form, made when it is read.

        >>> import numpy as np
        >>> source = WeightSource("w", (2, 1), "int64", lambda: np.array([[1], [2]]))
        >>> source.changed((1, 2), np.transpose).read().tolist()
        [[1, 2]]
        """
        load = self.load
        return replace(self, shape=shape, load=lambda: how(load()))


class LaterWeights(Mapping[str, WeightSource]):
    """Weights whose names are looked up when the first of them is asked for.

    Args:
        look: finds them.
    """

    def __init__(self, look: Callable[[], Mapping[str, WeightSource]]) -> None:
        self._look = look

    @cached_property
    def _found(self) -> Mapping[str, WeightSource]:
        return self._look()

    def __getitem__(self, name: str) -> WeightSource:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


@dataclass(frozen=True)
class Origin:
    """What a node stands for in the file that it was read from.

    Attributes:
        names: tensors or operations of the file, the one that holds the node's output last.
        dtype: of the first output, as the file says it; None where it does not.
        scope: names of the blocks around it, joined by `/`; None where there are none.
        weights: its arrays by the names that the op gives them (`kernel`, `bias`), in the op's
            order and axis order; what the op has no name for stands behind under the file's name.
        axes: the order in which the file's tensor has the axes of the node's output, the batch
            being 0; None where it is the same.
    """

    names: tuple[str, ...]
    dtype: str | None = None
    scope: str | None = None
    weights: Mapping[str, WeightSource] = field(
        default_factory=dict[str, WeightSource], repr=False, compare=False
    )
    axes: tuple[int, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Names, dtype and scope as plain data; weights are left alone.

        >>> Origin(("conv/Relu",), "float32").as_dict()
        {'names': ['conv/Relu'], 'dtype': 'float32', 'scope': None}
        """
        return {"names": list(self.names), "dtype": self.dtype, "scope": self.scope}
