"""The façade: what is public, and that no public name is shadowed by a subpackage."""

import pkgutil
import subprocess
import sys

import pytest

import opgraph


def test_all_is_sorted_and_resolves():
    assert sorted(opgraph.__all__) == list(opgraph.__all__)
    for name in opgraph.__all__:
        assert getattr(opgraph, name) is not None


def test_no_public_name_equals_a_subpackage():
    """`opgraph.x` must not turn from a function into a module after the first import."""
    modules = {module.name for module in pkgutil.iter_modules(opgraph.__path__)}
    assert not modules & set(opgraph.__all__)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'opgraph' has no attribute 'nonsense'"):
        _ = opgraph.nonsense


def test_dir_lists_the_public_names():
    code = "import opgraph; print(' '.join(dir(opgraph)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert set(opgraph.__all__) <= set(result.stdout.split())


def test_runtime_names_are_no_modules_either():
    """Its names are resolved lazily too, so the same trap would be open."""
    from opgraph import runtime

    modules = {module.name for module in pkgutil.iter_modules(runtime.__path__)}
    assert not modules & set(runtime.__all__)
    assert sorted(runtime.__all__) == list(runtime.__all__)
    assert set(runtime.__all__) == set(runtime._HOME)
