"""What the commands share: the application, its options, how tables are read and figures are said."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from mmreco.errors import DataError, MMRecoError

if TYPE_CHECKING:
    from mmreco.data.catalogue import Catalogue
    from mmreco.data.interactions import Interactions

__all__ = [
    "Artefact",
    "Events",
    "ImageName",
    "Images",
    "Items",
    "Json",
    "K",
    "Renamed",
    "TextNames",
    "Weights",
    "Where",
    "app",
    "columns",
    "encoders",
    "say",
    "tables",
]


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


def say(figures: dict[str, Any], as_json: bool, text: Callable[[], str]) -> None:
    """Print figures as one line of JSON, or what is for people to read."""
    typer.echo(json.dumps(figures, ensure_ascii=False) if as_json else text())


def tables(
    items: Path, events: Path, images: Path | None, rename: list[str] | None
) -> "tuple[Catalogue, Interactions]":
    """The catalogue and the log in these files."""
    from mmreco.data.catalogue import Catalogue
    from mmreco.data.interactions import Interactions

    shop = Catalogue.read(items, images=images, columns=columns(rename, "items"))
    return shop, Interactions.read(events, catalogue=shop, columns=columns(rename, "events"))


def columns(rename: list[str] | None, table: str) -> dict[str, str] | None:
    """The columns of one table that go by other names, ours to theirs; None where none does.

    Raises
    ------
    DataError
        An option is not TABLE.OUR=THEIRS.
    """
    found = {}
    for given in rename or []:
        ours, equals, theirs = given.partition("=")
        of, dot, name = ours.partition(".")
        if of not in ("items", "events", "reviews") or not (dot and name and equals and theirs):
            raise DataError(f"--rename {given}: expected items.OUR=THEIRS, or events., or reviews.")
        if of == table:
            found[name] = theirs
    return found or None


def encoders(shop: "Catalogue", text: list[str] | None, image: str | None, weights: Path | None) -> dict[str, Any]:
    """The encoders asked for, as `Recommender.fit` takes them; what is not asked for is left to it."""
    from mmreco.encoders.by_name import image_encoder, text_encoder

    chosen: dict[str, Any] = {}
    if text:
        texts = shop.texts()
        chosen["text"] = [text_encoder(name, texts) for name in text]
    if image is not None:
        chosen["image"] = [] if image == "none" else [image_encoder(image, weights)]
    elif weights is not None:
        raise DataError("--weights: say which picture encoder they belong to, e.g. --image torchvision/squeezenet1_0")
    return chosen
