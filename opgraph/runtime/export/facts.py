"""What travels with an exported model: names, shapes, classes, how its inputs are made.

Owns the metadata as plain data and the README beside a SavedModel; must not know how any format is
written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from string import Template
from typing import Any

from opgraph.version import __version__

VERSION = 1
_README = Template("""# $name

A SavedModel, exported by opgraph $version from `$source`. Opened again and compared with its source
when it was written. `opgraph.json` says the same as data.

| signature `serving_default` | name | shape | type |
|---|---|---|---|
$table
$about
## TensorFlow Serving

```sh
docker run --rm -p 8500:8500 -p 8501:8501 -v "$$PWD":/models/model/1 tensorflow/serving
```

By REST, with zeros of the right shape:

```sh
python3 -c '$body' > body.json
curl http://localhost:8501/v1/models/model:predict -d @body.json
```

By gRPC (`pip install tensorflow-serving-api`):

```python
import grpc, numpy as np, tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

channel = grpc.insecure_channel("localhost:8500")
service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
request = predict_pb2.PredictRequest()
request.model_spec.name = "model"
array = np.zeros($sizes, "$dtype")
request.inputs["$input"].CopyFrom(tf.make_tensor_proto(array))
print(service.Predict(request, 10.0))
```
""")


@dataclass(frozen=True)
class Facts:
    """What is known of a model beside its weights.

    Attributes:
        name: of the graph.
        source: the file or run that it comes from.
        class_names: one for each class that it tells apart; empty where it tells none.
        inputs_are: how the inputs are made, in words; empty where nobody said.
        data: description of the data that it was trained on, as plain data.
    """

    name: str
    source: str
    class_names: Sequence[str] = ()
    inputs_are: str = ""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def as_dict(self, model: Any) -> dict[str, Any]:
        """Everything as plain data, with the inputs and outputs of the model."""
        return {
            "format": "opgraph.export",
            "version": VERSION,
            "opgraph": __version__,
            "name": self.name,
            "source": self.source,
            "inputs": [_tensor(tensor) for tensor in model.inputs],
            "outputs": [_tensor(tensor) for tensor in model.outputs],
            "class_names": list(self.class_names),
            "inputs_are": self.inputs_are,
            "data": dict(self.data),
        }

    def as_json(self, model: Any) -> str:
        """The same as text."""
        return json.dumps(self.as_dict(model), ensure_ascii=False, indent=1, default=str) + "\n"


def _tensor(tensor: Any) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": [None if size is None else int(size) for size in tensor.shape],
        "dtype": str(tensor.dtype),
    }


def readme(facts: Facts, model: Any, signature: Mapping[str, str]) -> str:
    """What to do with a SavedModel: serve it, and ask it by REST and by gRPC.

    Args:
        facts: of the model.
        model: the model itself.
        signature: names of outputs in the signature, and their shapes in words.
    """
    first = model.inputs[0]
    sizes = ", ".join(str(size or 1) for size in first.shape[1:])
    return _README.substitute(
        name=facts.name,
        version=__version__,
        source=facts.source,
        table="\n".join(_rows(model, signature)),
        about="".join(f"\n{line}\n" for line in _about(facts)),
        body=_body(model),
        sizes=f"(1, {sizes})" if sizes else "(1,)",
        dtype=first.dtype,
        input=first.name,
    )


def _rows(model: Any, signature: Mapping[str, str]) -> Iterator[str]:
    for tensor in model.inputs:
        yield f"| input | `{tensor.name}` | {shape_text(tensor.shape)} | {tensor.dtype} |"
    for name, shape in signature.items():
        yield f"| output | `{name}` | {shape} | |"


def _about(facts: Facts) -> Iterator[str]:
    if facts.inputs_are:
        yield f"Inputs: {facts.inputs_are}."
    if facts.class_names:
        yield f"Classes: {', '.join(facts.class_names)}."


def _body(model: Any) -> str:
    """A line of Python that prints the body of a request."""
    zeros = {tensor.name: [1, *(size or 1 for size in tensor.shape[1:])] for tensor in model.inputs}
    return (
        "import json; z = lambda s: [z(s[1:])] * s[0] if s else 0; "
        f'print(json.dumps({{"inputs": {{k: z(s) for k, s in {json.dumps(zeros)}.items()}}}}))'
    )


def shape_text(shape: Sequence[int | None]) -> str:
    """A shape with its batch in words.

    >>> shape_text((None, 8, 3))
    'batch×8×3'
    """
    return "×".join("batch" if not at else str(size or "?") for at, size in enumerate(shape))
