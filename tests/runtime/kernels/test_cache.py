"""Where compiled kernels are kept, and that nothing doubtful is loaded from there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from opgraph.errors import TraceError

pytestmark = [
    pytest.mark.tf,
    pytest.mark.skipif(os.name == "nt", reason="rights are other things on Windows"),
]


@pytest.fixture
def cache():
    from opgraph.runtime.kernels import cache

    return cache


@pytest.fixture
def folder(tmp_path, cache):
    made = tmp_path / "cache" / "kernels"
    cache.make_folder(made)
    return made


@pytest.fixture
def library(tmp_path, cache, folder):
    """A kept library of the key `abc`."""
    made = tmp_path / "made.so"
    made.write_bytes(b"machine code" * 1000)
    return cache.keep_library(folder, "abc", made)


@pytest.mark.parametrize(
    ("system", "variables", "expected"),
    [
        ("linux", {"OPGRAPH_CACHE": "/own/place"}, "/own/place/kernels"),
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/opgraph/kernels"),
        ("linux", {"XDG_CACHE_HOME": "not/absolute"}, "HOME/.cache/opgraph/kernels"),
        ("linux", {}, "HOME/.cache/opgraph/kernels"),
        ("darwin", {"XDG_CACHE_HOME": "/xdg"}, "HOME/Library/Caches/opgraph/kernels"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/opgraph/kernels"),
        ("win32", {}, "HOME/AppData/Local/opgraph/kernels"),
    ],
)
def test_the_folder_follows_the_custom_of_the_system(
    cache, monkeypatch, system, variables, expected
):
    for name in ("OPGRAPH_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", system)
    assert cache.cache_folder() == Path(expected.replace("HOME", str(Path.home())))


def test_a_relative_folder_is_one_of_the_working_directory(cache, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPGRAPH_CACHE", "here")
    assert cache.cache_folder() == tmp_path / "here" / "kernels"


def test_the_folder_is_for_its_owner_only(folder, library):
    assert folder.stat().st_mode & 0o777 == 0o700
    assert library.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == [library.name]


def test_a_library_is_found_by_its_key(cache, folder, library):
    assert cache.find_library(folder, "abc") == library
    assert cache.find_library(folder, "ab") is None
    assert cache.find_library(folder / "missing", "abc") is None


@pytest.mark.parametrize("damage", ["cut short", "altered", "emptied"])
def test_a_damaged_library_is_not_found_and_goes_when_a_new_one_comes(
    cache, folder, library, tmp_path, damage
):
    content = library.read_bytes()
    changed = {"cut short": content[:-1], "altered": b"M" + content[1:], "emptied": b""}
    library.write_bytes(changed[damage])
    assert cache.find_library(folder, "abc") is None
    other = tmp_path / "other.so"
    other.write_bytes(b"other code")
    kept = cache.keep_library(folder, "abc", other)
    assert list(folder.iterdir()) == [kept]
    assert cache.find_library(folder, "abc") == kept


def test_a_library_that_others_can_write_is_refused(cache, folder, library):
    library.chmod(0o666)
    with pytest.raises(TraceError) as caught:
        cache.find_library(folder, "abc")
    assert str(caught.value) == (
        f"{library}: others can write to {library}, so no code is loaded from it\n"
        "   take away their right to write, or name another folder in the environment variable"
        " OPGRAPH_CACHE"
    )


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_folder_that_others_can_write_is_refused(cache, folder, library, mode):
    """In a sticky one they could still add a file; only above it does that not matter."""
    folder.chmod(mode)
    for refused in (
        lambda: cache.find_library(folder, "abc"),
        lambda: cache.make_folder(folder),
        lambda: cache.keep_library(folder, "abc", library),
    ):
        with pytest.raises(TraceError, match="others can write to"):
            refused()


def test_so_is_a_folder_above_it_unless_it_is_sticky(cache, folder, library):
    folder.parent.chmod(0o777)
    with pytest.raises(TraceError, match=f"others can write to {folder.parent}, "):
        cache.find_library(folder, "abc")
    folder.parent.chmod(0o1777)
    assert cache.find_library(folder, "abc") == library


def test_a_link_is_judged_by_where_it_leads(cache, folder, library, tmp_path):
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    real = open_to_all / library.name
    library.rename(real)
    library.symlink_to(real)
    with pytest.raises(TraceError, match=f"others can write to {open_to_all}, "):
        cache.find_library(folder, "abc")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give away"
)
def test_a_library_of_another_user_is_refused(cache, folder, library):
    os.chown(library, 12345, 12345)
    with pytest.raises(TraceError, match="others can write to"):
        cache.find_library(folder, "abc")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give away"
)
def test_a_group_of_others_may_not_write(cache, folder, library):
    os.chown(folder, -1, 12345)
    folder.chmod(0o750)
    assert cache.find_library(folder, "abc") == library
    folder.chmod(0o770)
    with pytest.raises(TraceError, match="others can write to"):
        cache.find_library(folder, "abc")


def test_a_folder_that_cannot_be_made_is_named(cache, tmp_path):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "kernels"
    with pytest.raises(TraceError) as caught:
        cache.make_folder(folder)
    assert str(caught.value) == (
        f"{folder}: cannot be made: Not a directory\n"
        "   name another folder in the environment variable OPGRAPH_CACHE"
    )


def test_who_waits_for_the_lock_gets_it_afterwards(cache, folder):
    for _ in range(2):
        with cache.one_at_a_time(folder):
            assert (folder / "building.lock").exists()
    with cache.one_at_a_time(folder / "missing"):
        pass  # no lock can be made there, which stops nobody
    with pytest.raises(ImportError, match="mine"), cache.one_at_a_time(folder):
        raise ImportError("mine")
