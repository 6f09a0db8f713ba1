"""The command that puts a fitted recommender behind HTTP: `mmreco serve`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from mmreco.cli.app import Artefact, app
from mmreco.errors import MissingExtraError

__all__ = ["serve"]


@app.command()
def serve(
    artefact: Artefact,
    host: Annotated[str, typer.Option(help="The address to listen at; other than this machine's needs keys.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    events: Annotated[
        str | None,
        typer.Option(
            envvar="MMRECO_EVENTS",
            help="Where events are kept: a file, or a database's URL; artefact.events.db if omitted.",
        ),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(help="A file of keys, a line each: a name, rights (ask,write,erase), the key. Or MMRECO_KEYS."),
    ] = None,
    experiment: Annotated[
        Path | None, typer.Option(help="A .toml or .json file of variants; see docs/serving.md.")
    ] = None,
    keep_days: Annotated[int | None, typer.Option(min=1, help="Erase events that are older.")] = None,
    popular_from: Annotated[
        int, typer.Option(min=1, help="Distinct people from whom on an item is answered as popular.")
    ] = 10,
    pseudonymise: Annotated[
        Path | None,
        typer.Option(help="A file with a secret key: users' ids are replaced by keyed hashes at the door."),
    ] = None,
    window: Annotated[
        bool, typer.Option("--window", help="Show a web shop at /, open to everybody who reaches the address.")
    ] = False,
    milvus: Annotated[
        str | None, typer.Option(help="Search the items' vectors in this Milvus, e.g. http://localhost:19530.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer.")] = 1,
) -> None:
    """Answer over HTTP, learn from clicks at once, and pick up a new artefact without a pause.

    \b
    Example: mmreco serve artefact/
    Example: mmreco serve artefact/ --window
    Example: mmreco serve artefact/ --host 0.0.0.0 --keys keys.txt --keep-days 365
    Example: mmreco serve artefact/ --workers 4 --events postgresql+psycopg://shop:secret@db/shop
    """
    try:
        from mmreco.service import server
        from mmreco.service.experiments.settings import ExperimentSettings
        from mmreco.service.keys import Keys
        from mmreco.service.pseudonyms import Pseudonyms
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"serve needs {error.name}; run: pip install 'mmreco[serve]'") from error

    written = os.environ.get("MMRECO_KEYS")
    allowed = Keys.read(keys) if keys is not None else Keys.parse(written) if written else None
    settings = server.Settings(
        artefact=artefact,
        events=events or beside(artefact),
        keys=allowed,
        keep_days=keep_days,
        popular_from=popular_from,
        names=None if pseudonymise is None else Pseudonyms.read(pseudonymise),
        experiment=None if experiment is None else ExperimentSettings.read(experiment),
        window=window,
        milvus=milvus,
    )
    typer.echo(f"http://{host}:{port} answers from {artefact}", err=True)
    server.serve(settings, host=host, port=port, workers=workers)


def beside(artefact: Path) -> str:
    """The file of events that belongs to an artefact."""
    there = artefact.resolve()
    return str(there.with_name(f"{there.name}.events.db"))
