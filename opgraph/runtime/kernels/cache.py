"""Where compiled kernels are kept, and whether what lies there can be trusted.

A library is found by two digests in its name: of everything it was made from, and of its own bytes.
So one that is cut short or altered is not taken, and nothing is half written: it gets its name when
it is complete.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from opgraph.errors import TraceError
from opgraph.files import write_atomic

DIGITS = 16
SUFFIX = ".so"


def cache_folder() -> Path:
    """The folder for compiled kernels: OPGRAPH_CACHE, else by the custom of the system."""
    given = os.environ.get("OPGRAPH_CACHE")
    return (Path(given) if given else _system_cache() / "opgraph").absolute() / "kernels"


def _system_cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    given = os.environ.get(variable)
    if given and Path(given).is_absolute():
        return Path(given)
    return Path.home() / ("AppData/Local" if sys.platform == "win32" else ".cache")


def digest_of(parts: Sequence[bytes]) -> str:
    """One digest of several byte strings, their limits included.

    >>> digest_of([b"ab", b"c"]) == digest_of([b"a", b"bc"])
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:DIGITS]


def find_library(folder: Path, key: str) -> Path | None:
    """The kept library of a key whose bytes are as they were written, if there is one.

    Raises:
        TraceError: others than its owner could have written it.
    """
    if not folder.is_dir():
        return None
    for path in sorted(folder.glob(f"kernel-{key}-*{SUFFIX}")):
        require_private(path)
        if path.name == _file_name(key, path):
            return path
    return None


def keep_library(folder: Path, key: str, made: Path) -> Path:
    """Keep a library that has just been made, in place of damaged ones of the same key.

    Raises:
        TraceError: the folder cannot be written, or others can write to it.
    """
    path = folder / _file_name(key, made)

    def write(target: Path) -> None:
        shutil.copyfile(made, target)
        target.chmod(0o600)

    write_atomic(path, write, TraceError)
    require_private(path)
    for other in folder.glob(f"kernel-{key}-*{SUFFIX}"):
        if other.name != _file_name(key, other):
            with suppress(OSError):
                other.unlink()
    return path


def _file_name(key: str, path: Path) -> str:
    return f"kernel-{key}-{digest_of([path.read_bytes()])}{SUFFIX}"


def make_folder(folder: Path) -> None:
    """Make the folder, for its owner only.

    Raises:
        TraceError: it cannot be made, or others can write to it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        reason = problem.strerror or problem
        raise TraceError(f"cannot be made: {reason}", where=str(folder), hint=_HINT) from None
    require_private(folder)


_HINT = "name another folder in the environment variable OPGRAPH_CACHE"


def require_private(path: Path) -> None:
    """See that nobody but this user and root can change a file, or put another in its place.

    Raises:
        TraceError: somebody can.
    """
    if os.name == "nt":
        return  # what lies under a user's own folders is private there
    real = Path(os.path.realpath(path))
    for place in (real, *real.parents):
        found = place.stat()
        above = place not in (real, real.parent) or (place == real.parent and real.is_dir())
        if found.st_uid not in (0, os.geteuid()) or _open_to_others(found, above):
            raise TraceError(
                f"others can write to {place}, so no code is loaded from it",
                where=str(path),
                hint=f"take away their right to write, or {_HINT}",
            )


def _open_to_others(found: os.stat_result, above: bool) -> bool:
    """Whether others may write; above the folder itself a sticky one is fine, as /tmp is."""
    if above and found.st_mode & stat.S_ISVTX:
        return False
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _is_own_group(found.st_gid)


def _is_own_group(group: int) -> bool:
    """Whether a group is root's, or the user's private one that holds nobody else."""
    if os.name == "nt" or group == 0:
        return True
    import grp
    import pwd

    with suppress(KeyError):
        name = pwd.getpwuid(os.geteuid()).pw_name
        entry = grp.getgrgid(group)
        return entry.gr_name == name and not set(entry.gr_mem) - {name}
    return False


@contextmanager
def one_at_a_time(folder: Path) -> Generator[None]:
    """Let one process compile while others wait; without locks both do, and nothing breaks."""
    with ExitStack() as stack:
        with suppress(ImportError, OSError):
            import fcntl

            lock = stack.enter_context((folder / "building.lock").open("a"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
