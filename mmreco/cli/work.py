"""The commands that make or measure something: `mmreco demo | embed | fit | evaluate | verify`."""

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmreco.cli.app import (
    Artefact,
    Events,
    ImageName,
    Images,
    Items,
    Json,
    K,
    Renamed,
    TextNames,
    Weights,
    app,
    columns,
    encoders,
    say,
    tables,
)
from mmreco.errors import DataError

if TYPE_CHECKING:
    from mmreco.protocols import Recommends

__all__ = ["demo", "embed", "evaluate", "fit", "verify"]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the report and the artefact.")] = Path("demo-out"),
    seed: Annotated[int, typer.Option(help="Which shop is planted.")] = 0,
    as_json: Json = False,
) -> None:
    """Do the whole job on a planted shop.

    It is drawn, embedded, trained on, indexed and evaluated; an HTML report shows what came of it.

    \b
    Example: mmreco demo --out demo-out
    """
    from mmreco.demo import run

    figures = run(out, seed=seed, progress=True)
    say(figures, as_json, lambda: f"report: {figures['report']}")


@app.command()
def embed(
    encoder: Annotated[str, typer.Option(help="E.g. torchvision/squeezenet1_0, timm/resnet50, or a text model.")],
    out: Annotated[Path, typer.Option(help="Store to write, or to go on with.")],
    images: Annotated[Path | None, typer.Option(help="Folder of pictures; ids are the files' names.")] = None,
    texts: Annotated[Path | None, typer.Option(help="Table with a column item_id and the text.")] = None,
    tars: Annotated[list[Path] | None, typer.Option(help="Tar of pictures, read as a stream; may be repeated.")] = None,
    column: Annotated[str, typer.Option(help="The text's column, with --texts.")] = "title",
    weights: Weights = None,
    shard_size: Annotated[int, typer.Option(min=1, help="Vectors a file of the store.")] = 1024,
    batch_size: Annotated[int, typer.Option(min=1, help="Contents encoded at a time.")] = 64,
    dtype: Annotated[str, typer.Option(help="Of the stored numbers: float32, float16 or int8.")] = "float32",
    shard: Annotated[str, typer.Option(help="Part i/n of the catalogue, for n jobs with a store each.")] = "1/1",
    limit: Annotated[int | None, typer.Option(min=1, help="Items at most.")] = None,
    ray: Annotated[int, typer.Option(min=0, help="Ray actors to share the work; 0 does it here.")] = 0,
    rename: Renamed = None,
    as_json: Json = False,
) -> None:
    """Turn pictures or texts into vectors on disk.

    Run again, only what is new or changed is encoded.

    Exit code 3 says that some content was refused; the store lists it with the reason.

    \b
    Example: mmreco embed --images photos/ --encoder torchvision/squeezenet1_0 --weights net.safetensors --out store/
    """
    from mmreco.data.catalogue import Catalogue
    from mmreco.embedding.embed import embed as run
    from mmreco.embedding.embed import embed_stream, folder_pictures
    from mmreco.embedding.partition import part_of, stream_part
    from mmreco.embedding.sources import tar_contents
    from mmreco.encoders.by_name import image_encoder, text_encoder

    if sum(given is not None for given in (images, texts, tars)) != 1:
        raise DataError("embed: give --images or --texts or --tars, one of them")
    if ray and (tars or dtype != "float32"):
        raise DataError("embed: --ray reads folders and tables, and writes float32")
    start = perf_counter()
    contents: list[Any]
    settings: dict[str, Any] = {"store": out, "shard_size": shard_size, "batch_size": batch_size}
    if tars is not None:
        pairs = stream_part(tar_contents(tars), shard, limit=limit)
        done = embed_stream(image_encoder(encoder, weights), pairs, **settings, dtype=dtype, progress=True)
    elif images is not None:
        ids, pictures = folder_pictures(images)
        contents, reader = list(pictures), image_encoder(encoder, weights)
    else:
        shop = Catalogue.read(str(texts), columns=columns(rename, "items"))
        ids, contents = shop.items, shop.column(column)
        reader = text_encoder(encoder, contents)
    if tars is None:
        ids, contents = part_of(ids, contents, shard, limit=limit)
        if ray:
            from mmreco.distributed.embedding import embed_on_ray

            done = embed_on_ray(reader, ids, contents, **settings, actors=ray)
        else:
            done = run(reader, ids, contents, **settings, dtype=dtype, progress=True)
    seconds = perf_counter() - start
    refused = done.refused.num_rows
    figures = {
        "rows": len(done.embeddings) + done.refused.num_rows if tars else len(ids),
        "embedded": done.embedded,
        "skipped": done.skipped,
        "refused": refused,
        "seconds": round(seconds, 3),
        "rate": round(done.embedded / max(done.seconds, 1e-9), 2),
    }
    for one in done.refused.slice(0, 10).to_pylist():
        typer.echo(f"refused {one['id']}: {one['reason']}", err=True)
    say(figures, as_json, lambda: f"{out}: {figures}")
    if refused:
        raise typer.Exit(3)


@app.command()
def fit(
    items: Items,
    events: Events,
    out: Annotated[Path, typer.Option(help="Folder for the artefact.")],
    images: Images = None,
    reviews: Annotated[Path | None, typer.Option(help="Reviews: a table with user_id, item_id, text, rating.")] = None,
    text: TextNames = None,
    image: ImageName = None,
    weights: Weights = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the events at most.")] = 30,
    rename: Renamed = None,
    as_json: Json = False,
) -> None:
    """Train a recommender on a shop's tables and save it.

    \b
    Example: mmreco fit --items items.parquet --events events.parquet --images photos/ --out artefact/
    """
    from mmreco.data.reviews import Reviews
    from mmreco.models.sharedspace import SharedSpace
    from mmreco.recommender import Recommender

    start = perf_counter()
    shop, log = tables(items, events, images, rename)
    written = Reviews.read(reviews, catalogue=shop, columns=columns(rename, "reviews")) if reviews is not None else None
    chosen = encoders(shop, text, image, weights)
    model = SharedSpace(epochs=epochs)
    recommender = Recommender.fit(shop, log, reviews=written, **chosen, model=model, progress=True)
    recommender.save(out)
    figures = {
        "items": len(shop),
        "users": len(log),
        "events": log.n_events,
        "dropped": log.dropped,
        "refused": recommender.refused.num_rows,
        "seconds": round(perf_counter() - start, 3),
        "artefact": str(out),
    }
    say(figures, as_json, lambda: f"{recommender!r} saved to {out} in {figures['seconds']} s")


@app.command()
def evaluate(
    items: Items,
    events: Events,
    images: Images = None,
    model: Annotated[
        list[str] | None, typer.Option(help="SharedSpace or the name of a classical model. Repeat; three if omitted.")
    ] = None,
    text: TextNames = None,
    image: ImageName = None,
    weights: Weights = None,
    k: K = 10,
    rename: Renamed = None,
    as_json: Json = False,
) -> None:
    """Compare models on each user's last event.

    They are trained on all but that event, and asked for it among all items.

    \b
    Example: mmreco evaluate --items items.parquet --events events.parquet --model SharedSpace --model ItemKNN
    """
    from mmreco.evaluation import evaluate as measure
    from mmreco.models import MODELS
    from mmreco.recommender import Recommender
    from mmreco.splitting import leave_last_out

    names = model or ["SharedSpace", "ItemKNN", "Popular"]
    for name in names:
        if name != "SharedSpace" and name not in MODELS:
            raise DataError(f"model {name!r}: expected SharedSpace, {', '.join(MODELS)}")
    shop, log = tables(items, events, images, rename)
    train, test = leave_last_out(log)
    if not len(test):
        raise DataError(f"{events}: no user has two events or more, so there is nothing to hold out")
    figures: dict[str, Any] = {}
    for name in names:
        start = perf_counter()
        fitted: Recommends
        if name == "SharedSpace":
            chosen = encoders(shop, text, image, weights)
            fitted = Recommender.fit(shop, train, **chosen, progress=True).model
        else:
            fitted = MODELS[name]().fit(train)
        figures[name] = {metric: round(value, 5) for metric, value in measure(fitted, test, k).items()}
        figures[name]["seconds"] = round(perf_counter() - start, 1)
    width = max(map(len, figures))
    say(
        {"users": len(test), "k": k, "models": figures},
        as_json,
        lambda: "\n".join(
            f"{name:{width}}  " + "  ".join(f"{m} {v:g}" for m, v in of.items()) for name, of in figures.items()
        ),
    )


@app.command()
def verify(artefact: Artefact, as_json: Json = False) -> None:
    """Check every file of an artefact against its manifest.

    \b
    Example: mmreco verify artefact/
    """
    from mmreco.storage.artefact import verify as check

    found = check(artefact)
    files = sum(path.is_file() for path in found.path.rglob("*")) - 1  # the manifest itself
    say(
        {"ok": True, "kind": found.kind, "files": files, "generation": found.path.name},
        as_json,
        lambda: f"{artefact}: a whole {found.kind}, {files} files",
    )
