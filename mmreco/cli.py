"""The command line: `mmreco demo | embed | fit | recommend | similar | search | evaluate | verify`.

Exit codes: 0 done, 2 the request is unusable (one line on standard error says why), 3 some content was refused
by `embed` (the rest is written). With `--json` standard output is one line, a JSON object.
"""

import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from mmreco.errors import DataError, MMRecoError

if TYPE_CHECKING:
    from mmreco.data.answer import Answer
    from mmreco.data.catalogue import Catalogue
    from mmreco.data.interactions import Interactions
    from mmreco.protocols import Recommends

__all__ = ["app"]


class _Commands(TyperGroup):
    """Turns the errors that mmreco raises on purpose into one line and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (MMRecoError, OSError, FloatingPointError) as error:
            typer.echo(f"mmreco: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Pictures, text and behaviour in one vector space: recommendation and retrieval for shops.",
)

Json = Annotated[bool, typer.Option("--json", help="Print one line, a JSON object.")]
K = Annotated[int, typer.Option("-k", "--k", min=1, help="Answers a question.")]
Where = Annotated[
    str | None, typer.Option(help="Which items may be answered, e.g. \"category == 'dress' and price < 300\".")
]
Artefact = Annotated[Path, typer.Argument(help="The folder that `mmreco fit` wrote.")]
Items = Annotated[Path, typer.Option(help="Catalogue: a .parquet, .csv or .jsonl table with a column item_id.")]
Events = Annotated[Path, typer.Option(help="Behaviour log: a table with user_id, item_id, and timestamp if known.")]
Images = Annotated[Path | None, typer.Option(help="Folder the pictures lie in.")]
Renamed = Annotated[
    list[str] | None,
    typer.Option("--rename", help="A column by another name: items.item_id=sku. Repeat."),
]
TextNames = Annotated[
    list[str] | None,
    typer.Option("--text", help="Text encoder: lexical, or a model's name or folder. Repeat."),
]
ImageName = Annotated[
    str | None,
    typer.Option("--image", help="Picture encoder: timm/resnet50, none; one is trained if omitted."),
]
Weights = Annotated[Path | None, typer.Option(help="A .safetensors file with the picture encoder's weights.")]


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
    _say(figures, as_json, lambda: f"report: {figures['report']}")


@app.command()
def embed(
    encoder: Annotated[str, typer.Option(help="E.g. torchvision/squeezenet1_0, timm/resnet50, or a text model.")],
    out: Annotated[Path, typer.Option(help="Store to write, or to go on with.")],
    images: Annotated[Path | None, typer.Option(help="Folder of pictures; ids are the files' names.")] = None,
    texts: Annotated[Path | None, typer.Option(help="Table with a column item_id and the text.")] = None,
    column: Annotated[str, typer.Option(help="The text's column, with --texts.")] = "title",
    weights: Weights = None,
    shard_size: Annotated[int, typer.Option(min=1, help="Vectors a file of the store.")] = 1024,
    batch_size: Annotated[int, typer.Option(min=1, help="Contents encoded at a time.")] = 64,
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
    from mmreco.encoders.embed import embed as run
    from mmreco.encoders.embed import folder_pictures
    from mmreco.encoders.named import image_encoder, text_encoder

    if (images is None) == (texts is None):
        raise DataError("embed: give --images or --texts, one of the two")
    start = perf_counter()
    contents: list[Any]
    if images is not None:
        ids, pictures = folder_pictures(images)
        contents, reader = list(pictures), image_encoder(encoder, weights)
    else:
        shop = Catalogue.read(str(texts), columns=_columns(rename, "items"))
        if column not in shop.table.column_names:
            raise DataError(f"{texts}: no column {column!r}; there are {', '.join(shop.table.column_names)}")
        ids, contents = shop.items, shop.texts([column])
        reader = text_encoder(encoder, contents)
    done = run(reader, ids, contents, store=out, shard_size=shard_size, batch_size=batch_size, progress=True)
    seconds = perf_counter() - start
    refused = done.refused.num_rows
    figures = {
        "rows": len(ids),
        "embedded": done.embedded,
        "skipped": done.skipped,
        "refused": refused,
        "seconds": round(seconds, 3),
        "rate": round(done.embedded / max(done.seconds, 1e-9), 2),
    }
    for one in done.refused.slice(0, 10).to_pylist():
        typer.echo(f"refused {one['id']}: {one['reason']}", err=True)
    _say(figures, as_json, lambda: f"{out}: {figures}")
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
    from mmreco.recommender import Recommender
    from mmreco.space import SharedSpace

    start = perf_counter()
    shop, log = _tables(items, events, images, rename)
    written = (
        Reviews.read(reviews, catalogue=shop, columns=_columns(rename, "reviews")) if reviews is not None else None
    )
    chosen = _encoders(shop, text, image, weights)
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
    _say(figures, as_json, lambda: f"{recommender!r} saved to {out} in {figures['seconds']} s")


@app.command()
def recommend(
    artefact: Artefact,
    users: Annotated[list[str] | None, typer.Argument(help="Ids of known users.")] = None,
    history: Annotated[
        list[str] | None, typer.Option(help="A stranger's item ids, oldest first, parted by commas. Repeat.")
    ] = None,
    k: K = 10,
    seen: Annotated[bool, typer.Option("--seen", help="Answer with what the shopper had already, too.")] = False,
    where: Where = None,
    as_json: Json = False,
) -> None:
    """What shoppers want next.

    Known users are named by id, strangers by their history.

    \b
    Example: mmreco recommend artefact/ user-9 --k 5
    Example: mmreco recommend artefact/ --history sku-17,sku-3 --where "price < 300"
    """
    from mmreco.recommender import Recommender

    if bool(users) == bool(history):
        raise DataError("recommend: give user ids or --history, one of the two")
    lists = None if history is None else [[i for i in one.split(",") if i] for one in history]
    recommender = Recommender.load(artefact)
    answer = recommender.recommend(users or None, history=lists, k=k, exclude_seen=not seen, where=where)
    _answer(answer, as_json)


@app.command()
def similar(
    artefact: Artefact,
    items: Annotated[list[str], typer.Argument(help="Item ids.")],
    k: K = 10,
    where: Where = None,
    as_json: Json = False,
) -> None:
    """The items nearest to each of these.

    \b
    Example: mmreco similar artefact/ sku-17 --k 5
    """
    from mmreco.recommender import Recommender

    _answer(Recommender.load(artefact).similar(items, k=k, where=where), as_json)


@app.command()
def search(
    artefact: Artefact,
    text: Annotated[list[str] | None, typer.Option(help="Words to look for. Repeat.")] = None,
    image: Annotated[list[Path] | None, typer.Option(help="A picture to look for. Repeat.")] = None,
    k: K = 10,
    where: Where = None,
    as_json: Json = False,
) -> None:
    """The items that match words, a picture, or both together.

    \b
    Example: mmreco search artefact/ --text "红色连衣裙" --where "price < 300"
    Example: mmreco search artefact/ --image photo.jpg
    """
    from mmreco.recommender import Recommender

    if not text and not image:
        raise DataError("search: give --text, --image or both")
    answer = Recommender.load(artefact).search(text=text or None, image=image or None, k=k, where=where)
    _answer(answer, as_json)


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
    from mmreco.data.split import leave_last_out
    from mmreco.evaluation import evaluate as measure
    from mmreco.models import MODELS
    from mmreco.recommender import Recommender

    names = model or ["SharedSpace", "ItemKNN", "Popular"]
    for name in names:
        if name != "SharedSpace" and name not in MODELS:
            raise DataError(f"model {name!r}: expected SharedSpace, {', '.join(MODELS)}")
    shop, log = _tables(items, events, images, rename)
    train, test = leave_last_out(log)
    if not len(test):
        raise DataError(f"{events}: no user has two events or more, so there is nothing to hold out")
    figures: dict[str, Any] = {}
    for name in names:
        start = perf_counter()
        fitted: Recommends
        if name == "SharedSpace":
            chosen = _encoders(shop, text, image, weights)
            fitted = Recommender.fit(shop, train, **chosen, progress=True).model
        else:
            fitted = MODELS[name]().fit(train)
        figures[name] = {metric: round(value, 5) for metric, value in measure(fitted, test, k).items()}
        figures[name]["seconds"] = round(perf_counter() - start, 1)
    width = max(map(len, figures))
    _say(
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
    from mmreco.data.artefact import verify as check

    found = check(artefact)
    files = sum(path.is_file() for path in found.path.rglob("*")) - 1  # the manifest itself
    _say(
        {"ok": True, "kind": found.kind, "files": files, "generation": found.path.name},
        as_json,
        lambda: f"{artefact}: a whole {found.kind}, {files} files",
    )


# ---- what the commands share


def _say(figures: dict[str, Any], as_json: bool, text: Callable[[], str]) -> None:
    typer.echo(json.dumps(figures, ensure_ascii=False) if as_json else text())


def _answer(answer: "Answer", as_json: bool) -> None:
    titles = answer.catalogue.column("title") if answer.catalogue.has("title") else None
    answers: list[dict[str, Any]] = []
    for q, ids in enumerate(answer.ids()):
        found = [{"item_id": i, "score": round(float(s), 6)} for i, s in zip(ids, answer.scores[q], strict=False)]
        if titles is not None:
            for one, row in zip(found, answer.ranking.rows[q], strict=False):
                one["title"] = titles[row]
        answers.append({"question": answer.questions[q], "popular": bool(answer.popular[q]), "items": found})
    if answer.unknown:
        typer.echo(f"unknown: {', '.join(answer.unknown[:10])}", err=True)
    _say({"answers": answers, "unknown": list(answer.unknown)}, as_json, lambda: "\n".join(map(_block, answers)))


def _block(answer: dict[str, Any]) -> str:
    lines = [f"{answer['question']}{' (popular)' if answer['popular'] else ''}:"]
    lines += [f"  {one['item_id']}  {one['score']:.3f}  {one.get('title') or ''}".rstrip() for one in answer["items"]]
    return "\n".join(lines if len(lines) > 1 else [*lines, "  nothing"])


def _tables(
    items: Path, events: Path, images: Path | None, rename: list[str] | None
) -> "tuple[Catalogue, Interactions]":
    from mmreco.data.catalogue import Catalogue
    from mmreco.data.interactions import Interactions

    shop = Catalogue.read(items, images=images, columns=_columns(rename, "items"))
    return shop, Interactions.read(events, catalogue=shop, columns=_columns(rename, "events"))


def _columns(rename: list[str] | None, table: str) -> dict[str, str] | None:
    columns = {}
    for given in rename or []:
        ours, equals, theirs = given.partition("=")
        of, dot, name = ours.partition(".")
        if of not in ("items", "events", "reviews") or not (dot and name and equals and theirs):
            raise DataError(f"--rename {given}: expected items.OUR=THEIRS, or events., or reviews.")
        if of == table:
            columns[name] = theirs
    return columns or None


def _encoders(shop: "Catalogue", text: list[str] | None, image: str | None, weights: Path | None) -> dict[str, Any]:
    """The encoders asked for, as `Recommender.fit` takes them; what is not asked for is left to it."""
    from mmreco.encoders.named import image_encoder, text_encoder

    chosen: dict[str, Any] = {}
    if text:
        texts = shop.texts()
        chosen["text"] = [text_encoder(name, texts) for name in text]
    if image is not None:
        chosen["image"] = [] if image == "none" else [image_encoder(image, weights)]
    elif weights is not None:
        raise DataError("--weights: say which picture encoder they belong to, e.g. --image torchvision/squeezenet1_0")
    return chosen
