"""The command that trains on what a service took in: `mmreco refit`."""

from dataclasses import asdict
from typing import Annotated

import typer

from mmreco.cli.app import Artefact, Json, app, print_figures
from mmreco.cli.event_store import event_store
from mmreco.cli.serve import beside

__all__ = ["refit"]


@app.command()
def refit(
    artefact: Artefact,
    events: Annotated[
        str | None,
        typer.Option(
            envvar="MMRECO_EVENTS",
            help="Where events are kept: a file, or a database's URL; artefact.events.db if omitted.",
        ),
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Keep nothing of the present weights, nor of who was forgotten.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train on the events that came in; the result takes over if it is no worse on the newest of them.

    Services that answer from the artefact pick it up without a pause.

    \b
    Example: mmreco refit artefact/
    """
    with event_store("refit", events or beside(artefact), make=True) as store:
        from mmreco.service.refitting import refit as refitted

        verdict = refitted(artefact, store, from_scratch=from_scratch, progress=True)
    words = f"{verdict.taken} takes over" if verdict.taken else f"{verdict.generation} stays"
    print_figures(asdict(verdict), as_json, lambda: f"{words}: {verdict.reason}")
