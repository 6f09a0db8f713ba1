"""The command that trains: `mmreco fit`."""

from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from mmreco.cli.app import (
    Device,
    Events,
    ImageName,
    Images,
    Items,
    Json,
    Quality,
    Renamed,
    Reviews,
    TextNames,
    Users,
    Weights,
    app,
    print_figures,
)
from mmreco.cli.inputs import encoders_named, make_model, read_dataset

__all__ = ["fit"]


@app.command()
def fit(
    out: Annotated[Path, typer.Option(help="Folder for the artefact.")],
    items: Items = None,
    events: Events = None,
    reviews: Reviews = None,
    users: Users = None,
    images: Images = None,
    model: Annotated[
        str | None,
        typer.Option(help="A model by name, e.g. EASE, or auto, the best of several; SharedSpace if omitted."),
    ] = None,
    text: TextNames = None,
    image: ImageName = None,
    weights: Weights = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the events at most.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Training ends at its first look at validation after so long.")
    ] = None,
    quality: Quality = "exact",
    device: Device = "auto",
    rename: Renamed = None,
    as_json: Json = False,
) -> None:
    """Train a recommender on a shop's tables and save it.

    \b
    Example: mmreco fit --items items.parquet --events events.parquet --images photos/ --out artefact/
    Example: mmreco fit --items items.csv --events events.csv --model EASE --out artefact/
    """
    from mmreco.recommender import Recommender
    from mmreco.storage.artefact import require_place

    require_place(out)  # before anything is trained
    start = perf_counter()
    dataset = read_dataset(items=items, events=events, reviews=reviews, users=users, images=images, rename=rename)
    teaches = bool((dataset.interactions.lengths > 1).any())  # without, the recommender chooses
    chosen: Any = None
    if model == "auto":
        chosen = model
    elif model is not None or teaches:
        chosen = make_model(model or "SharedSpace", epochs=epochs, minutes=minutes, device=device)
    encoders = encoders_named(dataset.catalogue, text, image, weights)
    recommender = Recommender.fit(dataset, model=chosen, **encoders, quality=quality, device=device, progress=True)
    recommender.save(out)
    figures = {
        "items": len(dataset),
        "users": len(dataset.interactions),
        "events": dataset.interactions.n_events,
        "dropped": dataset.interactions.dropped,
        "refused": recommender.refused.num_rows,
        "model": type(recommender.model).__name__ if recommender.model is not None else None,
        **({"chosen": recommender.chosen} if recommender.chosen else {}),
        "seconds": round(perf_counter() - start, 3),
        "artefact": str(out),
    }
    print_figures(figures, as_json, lambda: f"{recommender!r} saved to {out} in {figures['seconds']} s")
