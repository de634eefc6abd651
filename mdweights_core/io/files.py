"""Files as such: is it there, is it the same one as before, and writing one without ever leaving half of it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from mdweights_core.errors import BadInput, DiskProblem

_MIB = 2**20
_WHOLE_CONTENT_LIMIT = 64 * _MIB
_DISK_REASONS = {
    errno.ENOSPC: ("The disk is full", "Free some space or choose another folder"),
    errno.EDQUOT: ("Your disk quota is used up", "Free some space or choose another folder"),
    errno.EACCES: ("There is no permission to write here", "Choose another folder"),
    errno.EPERM: ("There is no permission to write here", "Choose another folder"),
    errno.EROFS: ("The disk is read-only", "Choose another folder"),
    errno.ENOENT: ("The folder to write into does not exist", "Create it or choose another folder"),
    errno.ENOTDIR: ("The folder to write into is not a folder", "Choose another folder"),
    errno.EEXIST: ("There is a file of this name", "Choose another name"),
    errno.EISDIR: ("There is a folder of this name", "Choose another name"),
    errno.ENAMETOOLONG: ("The file name is too long", "Choose a shorter name"),
}


def require_file(path: str | os.PathLike[str]) -> Path:
    """The path of a file that is there, is an ordinary file, has content and can be read.

    Raises
    ------
    BadInput
        When it is missing, a folder or a device, empty, or may not be read.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise BadInput("This is a folder, not a file", where=path, advice="Choose a file inside it")
        if not path.exists():
            raise BadInput("The file does not exist", where=path, advice="Check the name and the folder")
        if not path.is_file():
            raise BadInput("This is not an ordinary file", where=path, advice="Choose a file on a disk")
        with path.open("rb") as stream:
            is_empty = not stream.read(1)
    except (OSError, ValueError) as error:
        raise unreadable(error, path) from error
    if is_empty:
        raise BadInput("The file is empty", where=path, advice="Copy or make it again")
    return path


def file_fingerprint(path: str | os.PathLike[str]) -> str:
    """Short text that changes when the content of a file does.

    The SHA-256 of the content; above 64 MiB, where reading everything would make the user wait, the size, the time of
    the last change (ns) and the SHA-256 of the first and last MiB.

    Raises
    ------
    BadInput
        When the file is not there or cannot be read.
    """
    path = require_file(path)
    try:
        status = path.stat()
        with path.open("rb") as stream:
            if status.st_size <= _WHOLE_CONTENT_LIMIT:
                return hashlib.file_digest(stream, "sha256").hexdigest()
            digest = hashlib.sha256(b"".join(_first_and_last(stream))).hexdigest()
    except OSError as error:
        raise unreadable(error, path) from error
    return f"{status.st_size}-{status.st_mtime_ns}-{digest}"


def atomic_write(path: str | os.PathLike[str], write: Callable[[Path], None]) -> None:
    """Write a file so that at every moment either the old one or the complete new one is there.

    `write` is given the path of a hidden file beside `path`, with the same suffix; it fills it, and only then, with the
    content on the disk, is it renamed. A link is followed and permissions of an existing file are kept. Whatever goes
    wrong, the hidden file is removed and an existing file stays as it was.

    Raises
    ------
    DiskProblem
        When the disk is full, the folder is missing or read-only, the name is that of a device, and for any other
        OSError, from `write` too.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    if target.exists() and not (target.is_file() or target.is_dir()):  # a rename would do away with /dev/null itself
        raise DiskProblem("This is a device or a pipe, not a file", where=path, advice="Choose the name of a file")
    temporary = target.with_name(f".{target.stem[:80]}.{secrets.token_hex(4)}{target.suffix}")
    try:
        try:
            write(temporary)
            if target.exists():
                shutil.copymode(target, temporary)
            _flush_to_disk(temporary)
            os.replace(temporary, target)
            with contextlib.suppress(OSError):  # some network disks cannot flush a folder, and the file is in place
                _flush_to_disk(target.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise disk_problem(error, path) from error


def atomic_write_text(path: str | os.PathLike[str], text: str) -> None:
    """`atomic_write` of a text in UTF-8, line ends as they are."""

    def fill(target: Path) -> None:
        with target.open("w", encoding="utf-8", newline="") as stream:
            stream.write(text)

    atomic_write(path, fill)


def require_writable(folder: Path) -> None:
    """Refuse a folder that nothing can be written into: now, and not after hours of work.

    Raises
    ------
    DiskProblem
        When there is no permission.
    """
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DiskProblem("nothing can be written here", where=folder, advice="Choose another folder")


@contextlib.contextmanager
def hold(folder: str | os.PathLike[str], *, wait: bool = False) -> Iterator[None]:
    """Keep other runs of this program from writing into a folder, until the block ends or the process does.

    Parameters
    ----------
    folder : path
        A folder that is there.
    wait : bool
        Wait for another run to end its block; by default it is refused.

    Raises
    ------
    DiskProblem
        When another run holds the folder.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            what, advice = "Another run of mdweights is writing here", "Wait until it has ended, or choose another name"
            raise DiskProblem(what, where=folder, advice=advice) from error
        except OSError:
            pass  # some network disks know no locks: then nothing is held
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def hold_made(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """`hold` of a folder that is made if need be; one that was made here and is empty in the end is removed.

    Raises
    ------
    DiskProblem
        When another run holds the folder, or it cannot be made.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_problem(error, folder) from error
    with hold(folder, wait=wait):
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # the first that is not empty
                for place in made:
                    place.rmdir()


def disk_problem(error: OSError, path: str | os.PathLike[str]) -> DiskProblem:
    """The sentence for an OSError met while `path` was written."""
    unknown = (f"The file could not be written ({_reason(error)})", None)
    what, advice = _DISK_REASONS.get(error.errno or 0, unknown)
    return DiskProblem(what, where=path, advice=advice)


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _first_and_last(stream: BinaryIO) -> Iterator[bytes]:
    yield stream.read(_MIB)
    stream.seek(-_MIB, os.SEEK_END)
    yield stream.read(_MIB)


def unreadable(error: OSError | ValueError, path: Path) -> BadInput:
    """The sentence for what was met while `path` was read."""
    return BadInput(f"The file cannot be read ({_reason(error)})", where=path, advice="Check its name and permissions")


def _reason(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
