"""Where contents come from: a folder, tar archives, an object store. Each yields ids with contents to embed."""

import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from mmreco.data.ids import IdMap
from mmreco.embedding.contents import LARGEST_FILE
from mmreco.errors import DataError, MissingExtraError

__all__ = ["StoredFile", "folder_pictures", "stored_contents", "tar_contents"]

_ENDINGS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, OSError, ValueError)


def folder_pictures(folder: str | Path) -> tuple[IdMap, list[Path]]:
    """The pictures of a folder, sorted by name, and their ids: the files' names without the ending.

    Every plain file counts, whatever its ending, so that a foreign one is refused by name and not overlooked;
    only hidden files and folders are passed over.

    Raises
    ------
    DataError
        There is no such folder, it has no files, two files have one id (both are named), or a name is not Unicode.
    """
    top = Path(folder)
    if not top.is_dir():
        raise DataError(f"{top}: no such folder of pictures")
    paths = sorted(path for path in top.iterdir() if not path.name.startswith(".") and not path.is_dir())
    if not paths:
        raise DataError(f"{top}: no files in it; pictures are looked for in the folder itself, not below")
    owners: dict[str, Path] = {}
    for path in paths:
        other = owners.setdefault(path.stem, path)
        if other is not path:
            raise DataError(f"{top}: {other.name!r} and {path.name!r} both have the id {path.stem!r}; rename one")
        if any("\ud800" <= letter <= "\udfff" for letter in path.stem):
            raise DataError(f"{top}: the name {path.name!r} is not Unicode and can be no id; rename the file")
    return IdMap.of(list(owners)), paths


def tar_contents(
    archives: Iterable[str | Path], *, endings: Iterable[str] = _ENDINGS
) -> Iterator[tuple[str, bytes | DataError]]:
    """The ids and contents of tar archives in the manner of WebDataset, read as a stream; nothing is extracted.

    The id is a member's name up to the first point of its last part: `000/sku-9.front.jpg` is `000/sku-9`. Members of
    other endings (texts, JSON) are passed over. Memory stays that of one member.

    Parameters
    ----------
    archives : paths, or addresses as fsspec takes them ("s3://bucket/part-0001.tar")
        Plain or compressed by gzip, bz2 or xz. An archive that is damaged ends there, and is refused under its own
        name after the members before the damage.
    endings : optional
        Of the members that are content, without the point, in lower case.

    Raises
    ------
    MissingExtraError
        An address is given and fsspec is not installed.
    """
    wanted = frozenset(endings)
    for archive in archives:
        members = 0
        try:
            with _opened(archive) as file, tarfile.open(fileobj=file, mode="r|*") as tar:
                for member in tar:
                    # tarfile keeps what it read even of a stream, and that would grow without end
                    tar.members.clear()  # type: ignore[attr-defined]
                    members += 1
                    folder, _, name = member.name.rpartition("/")
                    stem, _, ending = name.partition(".")
                    if ending.rpartition(".")[2].lower() not in wanted or member.isdir():
                        continue
                    yield f"{folder}/{stem}" if folder else stem, _member(tar, member)
        except _DAMAGED as error:
            yield (
                str(archive),
                DataError(f"archive unreadable after {members} members ({type(error).__name__}: {str(error)[:120]})"),
            )


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | DataError:
    if not member.isreg():
        return DataError("not a plain file")
    if member.size > LARGEST_FILE:
        return DataError(f"file of {member.size:,} bytes; the limit is {LARGEST_FILE:,}")
    file = tar.extractfile(member)
    data = file.read() if file is not None else b""
    if len(data) != member.size:
        raise EOFError(f"{member.name}: {len(data)} of {member.size} bytes")
    return data or DataError("empty file")


@dataclass(frozen=True)
class StoredFile:
    """A file of an object store, read by the thread that needs it.

    Parameters
    ----------
    system : a file system of fsspec
    path : inside it
    """

    system: Any
    path: str

    def read(self) -> bytes:
        """The file's bytes.

        Raises
        ------
        DataError
            It is missing, empty, too large or cannot be read.
        """
        try:
            with self.system.open(self.path, "rb") as file:
                data: bytes = file.read(LARGEST_FILE + 1)
        except (OSError, ValueError) as error:
            raise DataError(f"cannot read {self.path}: {type(error).__name__}: {str(error)[:120]}") from error
        if not data:
            raise DataError("empty file")
        if len(data) > LARGEST_FILE:
            raise DataError(f"file of more than {LARGEST_FILE:,} bytes, the limit")
        return data


def stored_contents(address: str, **options: Any) -> tuple[IdMap, list[StoredFile]]:
    """The files below an address of an object store, sorted by name, and their ids: the names without the ending.

    Parameters
    ----------
    address : as fsspec takes it, e.g. "s3://bucket/photos", "gs://...", "memory://photos"
    options : of that store, e.g. `anon=True`; handed to fsspec

    Raises
    ------
    MissingExtraError
        fsspec, or what it needs for this kind of store, is not installed.
    DataError
        There are no such files, or two have one id.
    """
    fsspec = _fsspec()
    try:
        system, top = fsspec.core.url_to_fs(address, **options)
        paths = sorted(system.find(top))
    except ImportError as error:
        raise MissingExtraError(f"{address}: {error}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{address}: cannot be listed ({type(error).__name__}: {str(error)[:120]})") from error
    if not paths:
        raise DataError(f"{address}: no files there")
    owners: dict[str, str] = {}
    for path in paths:
        stem = PurePosixPath(path).stem
        other = owners.setdefault(stem, path)
        if other is not path:
            raise DataError(f"{address}: {other!r} and {path!r} both have the id {stem!r}; rename one")
    return IdMap.of(list(owners)), [StoredFile(system, path) for path in paths]


def _opened(archive: str | Path) -> AbstractContextManager[BinaryIO]:
    if isinstance(archive, str) and "://" in archive:
        opened: AbstractContextManager[BinaryIO] = _fsspec().open(archive, "rb")
        return opened
    return Path(archive).open("rb")


def _fsspec() -> Any:
    try:
        import fsspec  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("object stores need fsspec; run: pip install 'mmreco[remote]'") from error
    return fsspec
