"""What an experiment of the service says: `mmreco experiment report`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmreco.cli.app import Json, app, print_figures
from mmreco.cli.event_store import event_store

__all__ = ["report"]

experiment = typer.Typer(no_args_is_help=True, help="Figures of experiments that `mmreco serve --experiment` ran.")
app.add_typer(experiment, name="experiment")


@experiment.callback()
def _group() -> None:
    """Figures of experiments that `mmreco serve --experiment` ran."""


@experiment.command()
def report(
    store: Annotated[str, typer.Argument(help="Where events are kept: a file, or a database's URL.")],
    name: Annotated[str | None, typer.Option(help="Of the experiment, where the store knows several.")] = None,
    outcome: Annotated[
        list[str] | None, typer.Option(help="A kind of event that counts; click and purchase if omitted. Repeat.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="An artefact that never ran: what would it have earned?")] = None,
    level: Annotated[float, typer.Option(min=0.5, max=0.999, help="Share of intervals that hold the truth.")] = 0.95,
    as_json: Json = False,
) -> None:
    """Clicks and purchases a variant, with intervals, and whether the split of users is right.

    \b
    Example: mmreco experiment report artefact.events.db
    Example: mmreco experiment report artefact.events.db --policy candidate/ --json
    """
    from mmreco.recommender import Recommender

    kinds = outcome or ["click", "purchase"]
    with event_store("experiment", store) as opened:
        from mmreco.service.experiments.policy import policy_value
        from mmreco.service.experiments.report import experiment_report

        found = experiment_report(opened, name, kinds=kinds, level=level)
        figures: dict[str, Any] = found.to_dict()
        text = str(found)
        if policy is not None:
            value = policy_value(Recommender.load(policy), opened, found.name, kind=kinds[0])
            figures["policy"] = value.to_dict()
            text = f"{text}\n{value}"
    print_figures(figures, as_json, lambda: text)
