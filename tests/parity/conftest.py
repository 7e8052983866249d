"""The network and its exports, made once."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

_SPEC = importlib.util.spec_from_file_location(
    "parity_networks", Path(__file__).with_name("networks.py")
)
assert _SPEC
assert _SPEC.loader
networks = importlib.util.module_from_spec(_SPEC)
sys.modules["parity_networks"] = networks
_SPEC.loader.exec_module(networks)


@pytest.fixture(scope="session")
def model() -> Any:
    return networks.network()


@pytest.fixture(scope="session")
def exported(model: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exports")
    found = {name: networks.export(model, folder / f"net.{name}") for name in ("onnx", "tflite")}
    found["int8"] = networks.export_int8(model, folder / "net_int8.tflite", 1.0)
    found["clipped"] = networks.export_int8(model, folder / "net_clipped.tflite", 0.1)
    model.save(folder / "net.keras")
    return found | {"keras": folder / "net.keras"}
