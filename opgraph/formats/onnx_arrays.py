"""Arrays of an ONNX file: in the message, in place in the file, or in a file beside it.

Must not know what they are for. What is read is untrusted: an array must have the size that its
shape says, and one in another file must lie in the folder of the model, or below.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from opgraph.errors import FormatError
from opgraph.formats.wire import place_in
from opgraph.graph import WeightSource

DTYPES = {"float": "float32", "double": "float64"}
# Several numbers in a byte.
PACKED = frozenset({"int4", "uint4", "float4e2m1", "int2", "uint2"})
MOST_AXES = 64
MOST_DENSE = 1 << 28
WORDS = 16


class Arrays:
    """Finds the arrays of one file.

    Args:
        path: of the file.
        places: where the long ones stand in it.
    """

    def __init__(self, path: Path, places: list[tuple[int, int]]) -> None:
        self.path, self.places = path, places

    def dtype_name(self, number: int) -> str | None:
        """The name of a type of numbers; None for none at all."""
        from onnx import TensorProto

        if number not in TensorProto.DataType.values() or not number:
            return None
        name = TensorProto.DataType.Name(number).lower()
        return DTYPES.get(name, name)

    def source(self, tensor: Any, name: str) -> WeightSource:
        """Where a tensor stands.

        Raises:
            FormatError: its shape or type is none, or it lies outside the model's folder.
        """
        shape, dtype = tuple(tensor.dims), self.dtype_name(tensor.data_type)
        if dtype is None or len(shape) > MOST_AXES or any(dim < 0 for dim in shape):
            raise self._fault(name, f"is no array: type {tensor.data_type}, shape {shape}")
        return WeightSource(name, shape, dtype, self._loader(tensor, name, dtype))

    def _loader(self, tensor: Any, name: str, dtype: str) -> Callable[[], Any]:
        shape = tuple(tensor.dims)
        if tensor.data_location == tensor.EXTERNAL:
            path, offset, length = self._beside(tensor, name)
            if dtype in PACKED:
                return partial(self._packed, tensor, path, offset, length, name)
            return partial(self._mapped, path, offset, length, dtype, shape, name)
        place = place_in(tensor.raw_data)
        if place is None:
            return partial(self._parsed, tensor, name)
        if place >= len(self.places):
            raise self._fault(name, "stands nowhere")
        if dtype in PACKED:
            return partial(self._packed, tensor, self.path, *self.places[place], name)
        return partial(self._mapped, self.path, *self.places[place], dtype, shape, name)

    def _beside(self, tensor: Any, name: str) -> tuple[Path, int, int | None]:
        """The file that an array stands in, and where; refused if it is not below the model."""
        said = {entry.key: entry.value for entry in tensor.external_data}
        location = said.get("location", "")
        pure = PurePosixPath(location.replace("\\", "/"))
        outside = pure.is_absolute() or PureWindowsPath(location).drive or ".." in pure.parts
        if not location or outside or "\0" in location:
            raise self._fault(name, f"stands in {location!r}, which is not beside the model")
        folder = self.path.parent
        path = folder.joinpath(*pure.parts)
        if not path.resolve().is_relative_to(folder.resolve()):
            raise self._fault(name, f"stands in {location!r}, a link out of the model's folder")
        try:
            offset, length = int(said.get("offset", 0)), said.get("length")
            return path, offset, None if length is None else int(length)
        except ValueError:
            raise self._fault(name, f"stands at no offset: {said.get('offset')!r}") from None

    def _mapped(
        self,
        path: Path,
        offset: int,
        length: int | None,
        dtype: str,
        shape: tuple[int, ...],
        name: str,
    ) -> Any:
        """The array as a map of the file, so that only what is looked at is read."""
        import numpy as np

        kind, count = self._stored_type(dtype, name), math.prod(shape)
        size = count * kind.itemsize
        if length not in (None, size):
            raise self._fault(name, f"of shape {shape} has {size:,} bytes, received {length:,}")
        if not count:
            return np.empty(shape, kind)
        try:
            return np.memmap(path, kind, "r", offset, shape)
        except (OSError, ValueError) as error:
            raise self._fault(name, f"cannot be read: {error}") from None

    def _packed(self, tensor: Any, path: Path, offset: int, length: int | None, name: str) -> Any:
        """The array of a type of which several numbers fill a byte."""
        try:
            with path.open("rb") as file:
                file.seek(offset)
                content = file.read(-1 if length is None else length)
        except (OSError, ValueError) as error:
            raise self._fault(name, f"cannot be read: {error}") from None
        whole = type(tensor)(dims=tensor.dims, data_type=tensor.data_type, raw_data=content)
        return self._parsed(whole, name)

    def _stored_type(self, dtype: str, name: str) -> Any:
        from onnx import TensorProto, helper

        spelled = {v: k for k, v in DTYPES.items()}.get(dtype, dtype).upper()
        try:
            return helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(spelled))
        except (KeyError, ValueError, TypeError):
            raise self._fault(name, f"holds {dtype}, which cannot be read") from None

    def _parsed(self, tensor: Any, name: str) -> Any:
        from onnx import numpy_helper

        try:
            return numpy_helper.to_array(tensor)
        except Exception as error:
            raise self._fault(name, f"cannot be read: {' '.join(str(error).split())}") from None

    def sparse(self, tensor: Any, name: str) -> WeightSource:
        """An array of which only some numbers are written down, as a whole array."""
        values = self.source(tensor.values, name)
        indices = self.source(tensor.indices, f"{name} indices")
        shape = tuple(tensor.dims)
        bad = len(shape) > MOST_AXES or any(dim < 0 for dim in shape)
        if bad or math.prod(shape) > MOST_DENSE:
            raise self._fault(name, f"is no array, or too large: shape {shape}")
        return WeightSource(name, shape, values.dtype, partial(_dense, values, indices, shape))

    def of_value(self, value: Any, attribute: str, name: str) -> WeightSource:
        """A constant that is written as a plain attribute."""
        import numpy as np

        kinds = {"f": np.float32, "i": np.int64, "s": np.object_}
        kind = kinds.get(attribute.removeprefix("value_")[:1])
        if kind is None:
            raise self._fault(name, f"is no constant: {attribute}")
        array = np.asarray(value, kind)
        dtype = "string" if kind is np.object_ else array.dtype.name
        return WeightSource(name, array.shape, dtype, lambda: array)

    def in_words(self, tensor: Any) -> Any:
        """A small array as numbers, a larger one by its shape and type."""
        source = self.source(tensor, tensor.name or "value")
        if math.prod(source.shape) > WORDS or tensor.data_location == tensor.EXTERNAL:
            return {"shape": list(source.shape), "dtype": source.dtype}
        return [str(x) if isinstance(x, bytes) else x for x in source.read().reshape(-1).tolist()]

    def _fault(self, name: str, problem: str) -> FormatError:
        return FormatError(f"array {name!r} {problem}", where=str(self.path))


def _dense(values: WeightSource, indices: WeightSource, shape: tuple[int, ...]) -> Any:
    import numpy as np

    found, places = np.zeros(shape, values.read().dtype), indices.read().astype(np.int64)
    flat: Any = places if places.ndim == 1 else np.ravel_multi_index(tuple(places.T), shape)
    found.reshape(-1)[flat] = values.read()
    return found
