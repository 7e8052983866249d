"""Atomic writing: the old file or the new, nothing in between, nothing left over."""

import os
import stat

import pytest

from opgraph import files
from opgraph.errors import FormatError
from opgraph.files import write_bytes, write_text


def test_writes_and_makes_folders(tmp_path):
    target = tmp_path / "a" / "b.txt"
    write_text(target, "卷积\n")
    assert target.read_bytes() == "卷积\n".encode()
    assert [path.name for path in target.parent.iterdir()] == ["b.txt"]


def test_a_failure_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    target = tmp_path / "x"
    write_text(target, "old")

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(FormatError) as caught:
        write_text(target, "new")
    assert str(caught.value) == f"{target}: cannot be written: No space left on device"
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_an_interrupt_leaves_no_rest(tmp_path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "x", b"new")
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "x").write_text("a file")
    with pytest.raises(FormatError, match="cannot be written"):
        write_text(tmp_path / "x" / "y", "new")


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permissions_are_those_of_any_new_file(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    write_text(tmp_path / "ours", "x")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_the_file_is_flushed_before_its_move_and_the_folder_after(tmp_path, monkeypatch):
    """After a power cut a name must not stand for a file whose content never reached the disk."""
    seen = []
    flush = files.flush

    def noted(path):
        seen.append((path.is_dir(), (tmp_path / "x").exists()))
        flush(path)

    monkeypatch.setattr(files, "flush", noted)
    write_text(tmp_path / "x", "new")
    assert seen == [(False, False), (True, True)]


def test_windows_is_asked_again_while_somebody_has_the_file_open(tmp_path, monkeypatch):
    refusals = [PermissionError(13, "Permission denied")] * 2
    replace = files.Path.replace

    def refused(source, target):
        if refusals:
            raise refusals.pop()
        return replace(source, target)

    monkeypatch.setattr(files, "IS_WINDOWS", True)
    monkeypatch.setattr(files.Path, "replace", refused)
    monkeypatch.setattr(files, "PAUSES", (0, 0))
    write_text(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new"
    refusals += [PermissionError(13, "Permission denied")] * 3
    with pytest.raises(FormatError, match="cannot be written: Permission denied"):
        write_text(tmp_path / "x", "newer")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x", "new")]
