"""The commands that vouch for an artefact: `mmreco verify | sign`."""

from pathlib import Path
from typing import Annotated

import typer

from mmreco.cli.app import Artefact, Json, app, print_figures

__all__ = ["sign", "verify"]

_KEY = "A file with the secret key, 16 bytes or more, e.g. of `openssl rand 32`."


@app.command()
def verify(
    artefact: Artefact,
    key: Annotated[Path | None, typer.Option(help=f"Check the signature too. {_KEY}")] = None,
    as_json: Json = False,
) -> None:
    """Check every file of an artefact against its manifest, and with a key who wrote it.

    \b
    Example: mmreco verify artefact/
    Example: mmreco verify artefact/ --key shop.key
    """
    from mmreco.storage.artefact import verify as check_files
    from mmreco.storage.signature import read_key, verify_signature

    checked = check_files(artefact) if key is None else verify_signature(artefact, read_key(key))
    files = sum(path.is_file() for path in checked.path.rglob("*")) - 1  # the manifest itself
    signed = "" if key is None else ", signed with this key"
    print_figures(
        {"ok": True, "kind": checked.kind, "files": files, "generation": checked.path.name, "signed": key is not None},
        as_json,
        lambda: f"{artefact}: a whole {checked.kind}, {files} files{signed}",
    )


@app.command()
def sign(
    artefact: Artefact,
    key: Annotated[Path, typer.Option(help=_KEY)],
    as_json: Json = False,
) -> None:
    """Sign an artefact, so that whoever has the key can tell it from one that somebody else wrote.

    Every file is checked first. After the next save, sign again.

    \b
    Example: mmreco sign artefact/ --key shop.key
    """
    from mmreco.storage.signature import read_key
    from mmreco.storage.signature import sign as sign_artefact

    sign_artefact(artefact, read_key(key))
    print_figures({"signed": True, "artefact": str(artefact)}, as_json, lambda: f"{artefact}: signed")
