"""The commands that ask a fitted recommender: `mmreco recommend | similar | search`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mmreco.cli.app import Artefact, Json, K, Where, app, print_figures
from mmreco.errors import DataError

if TYPE_CHECKING:
    from mmreco.data.answer import Answer

__all__ = ["recommend", "search", "similar"]


@app.command()
def recommend(
    artefact: Artefact,
    users: Annotated[list[str] | None, typer.Argument(help="Ids of known users.")] = None,
    history: Annotated[
        list[str] | None, typer.Option(help="A stranger's item ids, oldest first, parted by commas. Repeat.")
    ] = None,
    k: K = 10,
    seen: Annotated[
        bool | None,
        typer.Option(
            "--seen/--unseen",
            help="Whether to answer with what the shopper had already, too; if omitted, where customers buy again.",
        ),
    ] = None,
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
    exclude_seen = None if seen is None else not seen
    answer = recommender.recommend(users or None, history=lists, k=k, exclude_seen=exclude_seen, where=where)
    _answer(answer, as_json)


@app.command()
def similar(
    artefact: Artefact,
    items: Annotated[list[str], typer.Argument(help="Item ids.")],
    k: K = 10,
    by: Annotated[Literal["both", "behaviour", "content"], typer.Option(help="What makes items alike.")] = "both",
    where: Where = None,
    as_json: Json = False,
) -> None:
    """The items nearest to each of these.

    \b
    Example: mmreco similar artefact/ sku-17 --k 5
    """
    from mmreco.recommender import Recommender

    _answer(Recommender.load(artefact).similar(items, k=k, by=by, where=where), as_json)


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


def _answer(answer: "Answer", as_json: bool) -> None:
    titles = answer.catalogue.column("title") if answer.catalogue.has("title") else None
    answers: list[dict[str, Any]] = []
    for q, ids in enumerate(answer.ids()):
        listed = [{"item_id": i, "score": round(float(s), 6)} for i, s in zip(ids, answer.scores[q], strict=False)]
        if titles is not None:
            for one, row in zip(listed, answer.ranking.rows[q], strict=False):
                one["title"] = titles[row]
        answers.append({"question": answer.questions[q], "popular": bool(answer.popular[q]), "items": listed})
    if answer.unknown:
        typer.echo(f"unknown: {', '.join(answer.unknown[:10])}", err=True)
    for note in answer.notes:
        typer.echo(f"note: {note}", err=True)
    figures = {"answers": answers, "unknown": list(answer.unknown), "notes": list(answer.notes)}
    print_figures(figures, as_json, lambda: "\n".join(map(_block, answers)))


def _block(answer: dict[str, Any]) -> str:
    lines = [f"{answer['question']}{' (popular)' if answer['popular'] else ''}:"]
    lines += [f"  {one['item_id']}  {one['score']:.3f}  {one.get('title') or ''}".rstrip() for one in answer["items"]]
    return "\n".join(lines if len(lines) > 1 else [*lines, "  nothing"])
