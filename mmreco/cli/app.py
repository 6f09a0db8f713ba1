"""What the commands share: the application, its options, and how figures are printed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mmreco.errors import MMRecoError

__all__ = [
    "Artefact",
    "Device",
    "Events",
    "ImageName",
    "Images",
    "Items",
    "Json",
    "K",
    "Quality",
    "Renamed",
    "Reviews",
    "TextNames",
    "Users",
    "Weights",
    "Where",
    "app",
    "print_figures",
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
Items = Annotated[
    Path | None, typer.Option(help="Catalogue: a .parquet, .csv, .tsv or .jsonl table with a column item_id.")
]
Events = Annotated[
    Path | None, typer.Option(help="Behaviour log: a table with user_id, item_id, and timestamp if known.")
]
Reviews = Annotated[
    Path | None, typer.Option(help="Reviews: a table with item_id, text, and user_id, rating, timestamp if known.")
]
Users = Annotated[Path | None, typer.Option(help="What is known of shoppers: a table with a column user_id.")]
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
    typer.Option("--image", help="Picture encoder: timm/resnet50, a saved one's folder, none; trained if omitted."),
]
Weights = Annotated[Path | None, typer.Option(help="A .safetensors file with the picture encoder's weights.")]
Quality = Annotated[str, typer.Option(help="Of the indexes: exact, or an approximate one by its word.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]


def print_figures(figures: dict[str, Any], as_json: bool, text: Callable[[], str]) -> None:
    """Print figures as one line of JSON, or what is for people to read."""
    typer.echo(json.dumps(figures, ensure_ascii=False) if as_json else text())
