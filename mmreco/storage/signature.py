"""Signatures: whose an artefact is, for those who load what others made.

A manifest tells damage from what was written, not an author from a stranger: whoever can write the folder can write
hashes that agree. A signature is an HMAC-SHA256 of the manifest, which names the SHA-256 of every file, under a key
that signer and reader share and nobody else has. It covers one generation: after the next `save`, sign again.
Source: RFC 2104 (Krawczyk, Bellare, Canetti, 1997).
"""

import hashlib
import hmac
import os
import re
from pathlib import Path

from mmreco.arguments import path_of
from mmreco.errors import DataError
from mmreco.storage.artefact import Artefact, read_artefact
from mmreco.storage.generation import manifest_bytes, read_pointer, sync_folder, write_new
from mmreco.storage.lock import hold

__all__ = ["read_key", "sign", "verify_signature"]

_NAME, _STAGED = "SIGNATURE", ".mmreco-signature"
_DOMAIN = b"mmreco artefact manifest 1\n"  # so that the key's other uses give no signature of ours
_SIGNATURE = re.compile(r"(g-\d{6,12}) ([0-9a-f]{64})")
_SHORTEST, _LONGEST = 16, 1 << 16  # bytes of a key


def read_key(path: str | Path) -> bytes:
    """The key in the file at `path`, as its bytes.

    Raises
    ------
    DataError
        The file cannot be read, or holds fewer than 16 bytes or more than 64 KiB.
    """
    try:
        with open(path_of("key", path), "rb") as file:
            key = file.read(_LONGEST + 1)
    except OSError as error:
        raise DataError(f"{path}: the key cannot be read ({error.strerror})") from error
    _require_key(key, str(path))
    return key


def sign(folder: str | Path, key: bytes) -> None:
    """Sign the current generation of the artefact at `folder`, once every file of it was checked.

    Parameters
    ----------
    folder : a saved artefact
    key : 16 bytes to 64 KiB
        A secret, best 32 random bytes (`openssl rand 32 > key`).

    Raises
    ------
    DataError
        There is no artefact, it is damaged or being written to, the key is too short, or `SIGNATURE` in the folder is
        not mmreco's.
    """
    _require_key(key, "key")
    top = path_of("folder", folder)
    if not top.is_dir():
        read_pointer(top)  # says what is missing
    with hold(top):
        if os.path.lexists(top / _NAME):
            _read(top)  # refuses a file of this name that is not mmreco's
        line = read_artefact(top, None, lambda artefact: f"{artefact.path.name} {_mac(top, key)}")
        try:
            if (top / _STAGED).is_file() and not (top / _STAGED).is_symlink():
                (top / _STAGED).unlink()
            write_new(top / _STAGED, line)
            (top / _STAGED).replace(top / _NAME)
            sync_folder(top)
        except OSError as error:
            raise DataError(f"{top / _NAME}: cannot be written ({error.strerror})") from error


def verify_signature(folder: str | Path, key: bytes) -> Artefact:
    """The artefact at `folder`, every file checked, and signed with `key`.

    Raises
    ------
    DataError
        As `open_artefact`; or there is no signature, it is of an older generation, or was made with another key.
    """
    _require_key(key, "key")
    top = path_of("folder", folder)

    def checked(artefact: Artefact) -> Artefact:
        if not os.path.lexists(top / _NAME):
            raise DataError(f"{top}: not signed; expected a signature made with this key (mmreco sign)")
        generation, signature = _read(top)
        if generation != artefact.path.name:
            raise DataError(f"{top}: the signature is of {generation}, {artefact.path.name} counts; sign it again")
        if not hmac.compare_digest(signature, _mac(top, key)):
            raise DataError(f"{top}: signed with another key, or the manifest was changed; do not load it")
        return artefact

    return read_artefact(top, None, checked)


def _mac(top: Path, key: bytes) -> str:
    path, digest = read_pointer(top)
    message = _DOMAIN + path.name.encode() + b"\n" + manifest_bytes(path, digest)
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def _read(top: Path) -> tuple[str, str]:
    path = top / _NAME
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            text = file.read(200).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a signature ({error})") from error
    match = _SIGNATURE.fullmatch(text)
    if not match:
        raise DataError(f"{path}: {text[:40]!r} is no signature of mmreco's")
    return match[1], match[2]


def _require_key(key: bytes, what: str) -> None:
    if not isinstance(key, bytes) or not _SHORTEST <= len(key) <= _LONGEST:
        size = f"{len(key)} bytes" if isinstance(key, bytes) else f"a {type(key).__name__}"
        raise DataError(f"{what}: {size}; expected {_SHORTEST} to {_LONGEST} bytes")
