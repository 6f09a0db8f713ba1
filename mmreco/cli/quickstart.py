"""The command a newcomer starts with: `mmreco quickstart`."""

import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from mmreco.cli.app import app
from mmreco.cli.serve import serve
from mmreco.errors import DataError, MissingExtraError

__all__ = ["quickstart"]

_NEEDED = ("fastapi", "multipart", "prometheus_client", "sqlalchemy", "uvicorn")
_HOST = "127.0.0.1"


@app.command()
def quickstart(
    folder: Annotated[Path, typer.Argument(help="A new folder for the shop.")],
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Stop before serving.")] = False,
    items: Annotated[int, typer.Option(min=64, help="Items of the shop.")] = 400,
    users: Annotated[int, typer.Option(min=1, help="Shoppers of the log.")] = 600,
) -> None:
    """Make a shop, train on it and serve it with a shop window, offline, in under a minute.

    \b
    Example: mmreco quickstart my-shop
    """
    if not no_serve:
        _require_servable(port)
    from mmreco.demo.quickstart import quick_shop

    typer.echo(f"making a shop of {items} items in {folder} and training on what {users} shoppers did ...", err=True)
    made = quick_shop(folder, n_items=items, n_users=users)
    typer.echo(f"made in {made.seconds:.0f} s")
    typer.echo(_words(folder, port, made.item, started=not no_serve))
    if not no_serve:
        serve(made.artefact, host=_HOST, port=port, window=True)


def _require_servable(port: int) -> None:
    lacking = [name for name in _NEEDED if find_spec(name) is None]
    if lacking:
        raise MissingExtraError(f"quickstart needs {lacking[0]}; run: pip install 'mmreco[serve]', or say --no-serve")
    with socket.socket() as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asked.bind((_HOST, port))
        except OSError as error:
            raise DataError(f"quickstart: port {port} is taken ({error.strerror}); give another with --port") from error


def _words(folder: Path, port: int, item: str, *, started: bool) -> str:
    json = "-H 'Content-Type: application/json'"
    ask = f"""curl -s localhost:{port}/v1/recommend {json} -d '{{"users": ["me"], "k": 3}}'"""
    tell = f"""curl -s localhost:{port}/v1/events {json} -d '{{"user_id": "me", "item_id": "{item}"}}'"""
    begin = "" if started else f"start it      {folder}/serve.sh --port {port}\n"
    return (
        f"{begin}"
        f"the shop      http://localhost:{port}/   (look at a product, go back: the page has changed)\n"
        f"ask           {ask}\n"
        f"post a click  {tell}\n"
        f"ask again     the same as above: the answer has changed\n"
        f"train longer  {folder}/fit.sh   (the server picks it up by itself)"
    )
