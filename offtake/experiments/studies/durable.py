"""Files that are whole or not there: written aside, synced, renamed, and the folder synced."""

import errno
import hashlib
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl

from offtake.experiments.results import CannotWrite, FolderInUse

try:
    import fcntl
except ImportError:  # not a POSIX system: names made of content still keep parts apart
    fcntl = None

TEMPORARY = ".tmp"
HASH_BYTES = 8
NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def put(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees a part of it."""
    aside = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(aside, content)
        os.replace(aside, path)  # noqa: PTH105 - what is there is replaced on every system
        sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise cannot_write(path, error, len(content)) from error


def cannot_write(path: Path, error: OSError, size: int) -> CannotWrite:
    """Return the system's refusal, saying what was being written and that the rest is kept."""
    room = f" (needs {size:,} bytes)" if error.errno in NO_ROOM else ""
    return CannotWrite(
        error.errno,
        f"cannot write {path.parent.name}/{path.name}: {error.strerror or error}{room}; "
        "finished runs are kept, the same command goes on",
    )


def _write(path: Path, content: bytes) -> None:
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(opened, left) :]
        os.fsync(opened)
    finally:
        os.close(opened)


def sync(folder: Path) -> None:
    """Make the names in a folder outlive a power cut, where the system can."""
    if os.name == "nt":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def sweep(folder: Path) -> None:
    """Remove what killed processes left half written."""
    for file in folder.rglob(f"*{TEMPORARY}"):
        with suppress(OSError):
            file.unlink()


def parquet(frame: pl.DataFrame) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1)
    return buffer.getvalue()


def content_hash(content: bytes) -> str:
    """Return what the name of a part says of its content."""
    return hashlib.blake2b(content, digest_size=HASH_BYTES).hexdigest()


@contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = False) -> Iterator[None]:
    """Hold a kernel lock: it ends with its process, so there is nothing to unlock by hand."""
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(opened, path, shared=shared, wait=wait)
        yield
    finally:
        os.close(opened)


def _lock(opened: int, path: Path, *, shared: bool, wait: bool) -> None:
    if fcntl is None:
        return
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(opened, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        folder = path.parent.parent
        raise FolderInUse(
            f"another process works on {folder}; wait for it, or share the work with --shard"
        ) from None
    except OSError as error:  # a network folder without locks: equal parts have equal names
        if error.errno not in NO_LOCKS:
            raise
