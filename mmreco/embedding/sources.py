"""Where contents come from: a folder, tar archives, an object store. Each yields ids with contents to embed."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, TypeVar

from mmreco.arguments import path_of
from mmreco.data.ids import IdMap
from mmreco.embedding.contents import LARGEST_FILE
from mmreco.embedding.decompression import Decompressed, is_compressed
from mmreco.embedding.tar_stream import Member, TarStream
from mmreco.errors import DataError, MissingExtraError

__all__ = ["StoredFile", "folder_pictures", "stored_contents", "tar_contents"]

_ENDINGS: Final = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

Content = TypeVar("Content")


def folder_pictures(folder: str | Path) -> tuple[IdMap, list[Path | DataError]]:
    """The pictures in `folder`, sorted by name, and their ids: the files' names without the ending.

    Every plain file counts, whatever its ending, so that a foreign one is refused by name and not overlooked;
    only hidden files and folders are passed over. Of two files with one id the first counts. The second, and a file
    whose name is not Unicode, come as the reason they are refused for, under the file's whole name.

    Raises
    ------
    DataError
        There is no such folder, or it has no files.
    """
    top = path_of("folder", folder)
    if not top.is_dir():
        raise DataError(f"{top}: no such folder of pictures")
    paths = sorted(path for path in top.iterdir() if not path.name.startswith(".") and not path.is_dir())
    if not paths:
        raise DataError(f"{top}: no files in it; pictures are looked for in the folder itself, not below")
    return _named([(path.name, path) for path in paths])


def _named(files: Sequence[tuple[str, Content]]) -> tuple[IdMap, list[Content | DataError]]:
    """An id for each file, with its content, or with why it has none."""
    owners: dict[str, str] = {}
    contents: list[Content | DataError] = []
    spoilt: list[tuple[str, DataError]] = []
    for name, content in files:
        stem = PurePosixPath(name).stem
        if _SURROGATE.search(name):
            sound = name.encode(errors="backslashreplace").decode()
            spoilt.append((sound, DataError(f"the name {sound!r} is not Unicode and can be no id; rename the file")))
        elif stem in owners:
            reason = f"{owners[stem]!r} and {name!r} both have the id {stem!r}; rename one"
            spoilt.append((name, DataError(reason)))
        else:
            owners[stem] = name
            contents.append(content)
    ids = list(owners)
    for name, error in spoilt:
        while name in owners:
            name += "'"
        owners[name] = name
        ids.append(name)
        contents.append(error)
    return IdMap.of(ids), contents


def tar_contents(
    archives: Iterable[str | Path], *, endings: Iterable[str] = _ENDINGS
) -> Iterator[tuple[str, bytes | DataError]]:
    """The ids and contents of tar archives in the manner of WebDataset, read as a stream; nothing is extracted.

    The id is a member's name up to the first point of its last part: `./000/sku-9.front.jpg` is `000/sku-9`. Members
    of other endings (texts, JSON) and hidden ones are passed over. Memory stays that of one member.

    Parameters
    ----------
    archives : paths, or addresses as fsspec takes them ("s3://bucket/part-0001.tar")
        Plain or compressed by gzip, bz2 or xz; a compressed one is read twice, as its checksum stands at its end, and
        gives nothing where that is wrong. A plain archive that is damaged or cut off ends there, and is refused under
        its own name after the members before the damage. So is one with zeros between its members, as two archives
        joined have, after all of its members.
    endings : optional
        Of the members that are content, without the point, in lower case.

    Raises
    ------
    MissingExtraError
        An address is given and fsspec is not installed.
    """
    wanted = frozenset(endings)
    for archive in archives:
        count = 0
        try:
            _require_sound(archive)
            with _opened(archive) as file:
                stream = TarStream(Decompressed(file))
                for member in stream.members():
                    count += 1
                    name = _member_id(member.name, wanted)
                    if name is not None and not member.folder:
                        yield name, _member_content(stream, member)
            if stream.gap is not None:
                yield (
                    str(archive),
                    DataError(f"zeros at byte {stream.gap:,}: two archives joined, or members lost there"),
                )
        except (OSError, ValueError) as error:
            reason = str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {str(error)[:120]}"
            yield str(archive), DataError(f"archive unreadable after {count} members ({reason})")


def _require_sound(archive: str | Path) -> None:
    """Read a compressed archive to its end, where the checksum stands; a plain one has none."""
    with _opened(archive) as file:
        compressed = is_compressed(file.read(6))
    if compressed:
        with _opened(archive) as file:
            stream = Decompressed(file)
            while stream.read(1 << 20):
                pass


def _member_id(path: str, wanted: frozenset[str]) -> str | None:
    """The id a member's path stands for; None where the member is no content."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts:
        return None
    stem, _, ending = parts[-1].partition(".")
    if not stem or ending.rpartition(".")[2].lower() not in wanted:
        return None
    return "/".join([*parts[:-1], stem])


def _member_content(stream: TarStream, member: Member) -> bytes | DataError:
    if not member.regular:
        return DataError("not a plain file")
    if member.size > LARGEST_FILE:
        return DataError(f"file of {member.size:,} bytes; the limit is {LARGEST_FILE:,}")
    return stream.content(LARGEST_FILE) or DataError("empty file")


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


def stored_contents(address: str, **options: Any) -> tuple[IdMap, list[StoredFile | DataError]]:
    """The files below a URL of an object store, sorted by name, and their ids: the names without the ending.

    Two files with one id, and names that are not Unicode, are refused as by `folder_pictures`.

    Parameters
    ----------
    address : as fsspec takes it, e.g. "s3://bucket/photos", "gs://...", "memory://photos"
    options : of that store, e.g. `anon=True`; handed to fsspec

    Raises
    ------
    MissingExtraError
        fsspec, or what it needs for this kind of store, is not installed.
    DataError
        There are no such files.
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
    return _named([(PurePosixPath(path).name, StoredFile(system, path)) for path in paths])


def _opened(archive: str | Path) -> AbstractContextManager[BinaryIO]:
    if isinstance(archive, str) and "://" in archive:
        opened: AbstractContextManager[BinaryIO] = _fsspec().open(archive, "rb")
        return opened
    if not Path(archive).is_file():  # a pipe or a device might never end
        raise DataError("no such file, or no plain one")
    return Path(archive).open("rb")


def _fsspec() -> Any:
    try:
        import fsspec  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("object stores need fsspec; run: pip install 'mmreco[remote]'") from error
    return fsspec
