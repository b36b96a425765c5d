"""Media from the one directory that file URLs may name: no links, no dots, nothing but plain files."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PurePosixPath

from workers.domain.media import InvalidMedia, MediaUnavailable
from workers.domain.reasons import Reason

_STEP = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_LINK = {errno.ELOOP, errno.EMLINK}


def read_file(root: Path | None, path: str, most: int) -> bytes:
    """The bytes of the file at an absolute ``path`` below ``root``, the first ``most`` + 1 of a longer one. Blocks.

    Opened name by name from ``root`` down, none of them a link: what is checked is what is read, whoever changes the
    directory meanwhile. Raises InvalidMedia, which tells nothing of what lies outside, or MediaUnavailable.
    """
    if root is None:
        raise InvalidMedia(Reason.MEDIA_FORBIDDEN, "file URLs are not allowed: STREAMSCOUT_MEDIA_ROOT is not set")
    wanted = PurePosixPath(path)
    if ".." in wanted.parts or not wanted.is_relative_to(root):
        raise InvalidMedia(Reason.MEDIA_FORBIDDEN, "outside the allowed directory")
    names = wanted.relative_to(root).parts
    if not names or "\0" in path:
        raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, "not the path of a file")
    try:
        return _read(root, names, most + 1)
    except FileNotFoundError as error:
        raise InvalidMedia(Reason.MEDIA_GONE, "no such file") from error
    except PermissionError as error:
        raise InvalidMedia(Reason.MEDIA_FORBIDDEN, "the file may not be read") from error
    except (NotADirectoryError, UnicodeError) as error:
        raise InvalidMedia(Reason.MEDIA_FORBIDDEN, "a link or a file in the place of a directory") from error
    except OSError as error:
        if error.errno in _LINK:
            raise InvalidMedia(Reason.MEDIA_FORBIDDEN, "links are not followed") from error
        if error.errno in (errno.ENAMETOOLONG, errno.ENXIO, errno.EINVAL):
            raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, "not the path of a file") from error
        raise MediaUnavailable(f"{wanted.name}: {error.strerror}") from error


def _read(root: Path, names: tuple[str, ...], most: int) -> bytes:
    folder = os.open(root, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        for name in names[:-1]:
            deeper = os.open(name, _STEP | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = deeper
        # Not blocking: a pipe would wait for its writer for ever.
        opened = os.open(names[-1], _STEP | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise InvalidMedia(Reason.MEDIA_UNSUPPORTED, "not a plain file")
        return file.read(most)
