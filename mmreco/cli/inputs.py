"""What the options name, read: tables into a `Dataset`, names into encoders and models, content into vectors."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmreco.errors import DataError

if TYPE_CHECKING:
    from mmreco.data.catalogue import Catalogue
    from mmreco.data.dataset import Dataset
    from mmreco.embedding.defaults import ShopContent
    from mmreco.models.base import Model
    from mmreco.protocols import Encoder

__all__ = [
    "READS_CONTENT",
    "columns",
    "encoded",
    "encoders_named",
    "make_model",
    "read_dataset",
    "with_content",
]

READS_CONTENT = ("SharedSpace", "ContentKNN")
"""The models that read what items say and look like."""

_TABLES = ("items", "events", "reviews", "users")


def read_dataset(
    *,
    items: Path | None,
    events: Path | None,
    reviews: Path | None,
    users: Path | None,
    images: Path | None,
    rename: list[str] | None,
) -> "Dataset":
    """The dataset in these files, their columns renamed."""
    from mmreco.data.dataset import Dataset

    if items is None and events is None:
        raise DataError("give --items or --events, or both")
    return Dataset.read(
        items=items, events=events, reviews=reviews, users=users, images=images, columns=columns(rename)
    )


def columns(rename: list[str] | None) -> dict[str, dict[str, str]]:
    """The columns that go by other names, ours to theirs, by table.

    Raises
    ------
    DataError
        An option is not TABLE.OUR=THEIRS.
    """
    renamed: dict[str, dict[str, str]] = {}
    for given in rename or []:
        ours, equals, theirs = given.partition("=")
        table, dot, name = ours.partition(".")
        if table not in _TABLES or not (dot and name and equals and theirs):
            raise DataError(f"--rename {given}: expected items.OUR=THEIRS, or {', '.join(_TABLES[1:])} in its place")
        renamed.setdefault(table, {})[name] = theirs
    return renamed


def encoders_named(
    catalogue: "Catalogue", text: list[str] | None, image: str | None, weights: Path | None
) -> dict[str, Any]:
    """The encoders named, as `Recommender.fit` takes them; what is not named is left to it.

    Raises
    ------
    DataError
        There is no such encoder, or weights of an encoder that is not named.
    """
    from mmreco.encoders.by_name import image_encoder, text_encoder

    named: dict[str, Any] = {}
    if text:
        texts = catalogue.texts()
        named["text"] = [text_encoder(name, texts) for name in text]
    if image is not None:
        named["image"] = [] if image == "none" else [image_encoder(image, weights)]
    elif weights is not None:
        raise DataError("--weights: say which picture encoder they belong to, e.g. --image torchvision/squeezenet1_0")
    return named


def make_model(name: str, **settings: Any) -> "Model":
    """The model of this name; `seed`, `epochs`, `minutes` and `device` go where it has them, None leaves its own.

    Raises
    ------
    DataError
        There is no such model, or it does not train in epochs.
    """
    from mmreco.models import MODELS

    if name not in MODELS:
        raise DataError(f"model {name!r}: expected one of {', '.join(MODELS)}")
    given = {key: value for key, value in settings.items() if value is not None}
    model: Any = MODELS[name]()
    training = getattr(model, "training", None)
    if training is not None:
        changed: Model = replace(model, training=replace(training, **given))
        return changed
    own = {field.name for field in fields(model)}
    if "epochs" in given.keys() - own:
        raise DataError(f"--epochs: {name} does not train in epochs; leave --epochs out")
    settled: Model = replace(model, **{key: value for key, value in given.items() if key in own})
    return settled


def encoded(
    catalogue: "Catalogue",
    *,
    seed: int = 0,
    text: "Sequence[Encoder[str]] | None" = None,
    image: "Sequence[Encoder[Any]] | None" = None,
) -> "ShopContent":
    """What is written and shown of the items, by the encoders named, and for a modality without one by one fitted here.

    Reviews are not in it, as they may be of events that are held out; see `with_content`.
    """
    from mmreco.embedding.defaults import encode_shop

    return encode_shop(_with_kinds_written(catalogue), text=text, image=image, seed=seed, progress=True)


def with_content(dataset: "Dataset", shop: "ShopContent") -> "Dataset":
    """The dataset with this content, and with what its own reviews say."""
    from mmreco.embedding.catalogue import with_reviews

    content = with_reviews(shop.content, shop.encoders, dataset.reviews)
    return dataset.with_content({name: vectors for name, vectors in content.items() if len(vectors)})


def _with_kinds_written(catalogue: "Catalogue") -> "Catalogue":
    """The catalogue with its categories, where these are lists (as genres are), among what is written."""
    import pyarrow as pa

    from mmreco.data.catalogue import Catalogue

    if not catalogue.has("category"):
        return catalogue
    kinds = catalogue.column("category")
    if not any(isinstance(kind, (list, tuple)) for kind in kinds):
        return catalogue
    titles = catalogue.column("title") if catalogue.has("title") else [None] * len(kinds)
    lines = [f"{title or ''} ({', '.join(kind or ())})" for title, kind in zip(titles, kinds, strict=True)]
    table = {name: catalogue.table[name] for name in catalogue.table.column_names}
    return Catalogue(catalogue.items, pa.table({**table, "title": lines}))
