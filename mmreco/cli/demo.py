"""The command that shows everything: `mmreco demo`."""

from pathlib import Path
from typing import Annotated

import typer

from mmreco.cli.app import Json, app, print_figures

__all__ = ["demo"]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the report and the artefact.")] = Path("demo-out"),
    seed: Annotated[int, typer.Option(min=0, help="Which synthetic shop.")] = 0,
    as_json: Json = False,
) -> None:
    """Do the whole job on a synthetic shop.

    It is drawn, embedded, trained on, indexed and evaluated; an HTML report shows the results.

    \b
    Example: mmreco demo --out demo-out
    """
    from mmreco.demo import run

    figures = run(out, seed=seed, progress=True)
    print_figures(figures, as_json, lambda: f"report: {figures['report']}")
