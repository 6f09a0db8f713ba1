"""The command that measures: `mmreco evaluate`."""

from time import perf_counter
from typing import Annotated, Any

import typer

from mmreco.cli.app import (
    Events,
    ImageName,
    Images,
    Items,
    Json,
    K,
    Renamed,
    Reviews,
    TextNames,
    Users,
    Weights,
    app,
    print_figures,
)
from mmreco.cli.inputs import (
    READS_CONTENT,
    encoded,
    encoders_named,
    make_model,
    read_dataset,
    with_content,
)
from mmreco.errors import DataError

__all__ = ["evaluate"]


@app.command()
def evaluate(
    items: Items = None,
    events: Events = None,
    reviews: Reviews = None,
    users: Users = None,
    images: Images = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A model by name. Repeat; SharedSpace, ItemKNN and Popular if omitted.")
    ] = None,
    text: TextNames = None,
    image: ImageName = None,
    weights: Weights = None,
    k: K = 10,
    rename: Renamed = None,
    as_json: Json = False,
) -> None:
    """Measure models on each user's last event.

    They are trained on all but that event, and asked for it among all items.

    \b
    Example: mmreco evaluate --items items.parquet --events events.parquet --model SharedSpace --model ItemKNN
    """
    from mmreco.evaluation import evaluate as measure
    from mmreco.splitting import leave_last_out

    models = {name: make_model(name) for name in model or ["SharedSpace", "ItemKNN", "Popular"]}
    dataset = read_dataset(items=items, events=events, reviews=reviews, users=users, images=images, rename=rename)
    split = leave_last_out(dataset)
    if not len(split.test):
        raise DataError(f"{events}: no user has two events or more, so there is nothing to hold out")
    train = split.train
    if any(name in READS_CONTENT for name in models):
        shop = encoded(train.catalogue, **encoders_named(train.catalogue, text, image, weights))
        train = with_content(train, shop)
    figures: dict[str, Any] = {}
    for name, one in models.items():
        start = perf_counter()
        report = measure(one.fit(train, progress=True), split, k)
        figures[name] = {metric: round(value, 5) for metric, value in report.items()}
        figures[name]["seconds"] = round(perf_counter() - start, 1)
    width = max(map(len, figures))
    print_figures(
        {"users": len(split.test), "k": k, "models": figures},
        as_json,
        lambda: "\n".join(
            f"{name:{width}}  " + "  ".join(f"{m} {v:g}" for m, v in of.items()) for name, of in figures.items()
        ),
    )
