"""The data sets as the quality benchmarks read them, the protocol's conventions, and what is said of a run.

Amazon sets in the form of S3-Rec: each user's last item is the test, the one before it validation, the rest training;
histories are cut to the last 50; the whole catalogue is ranked, the user's own items left out. Strict: trained on the
training items alone, stopped by validation. Refit: the recipe and the number of passes that validation kept, trained
once more with the validation items. Either way the test is asked once. MovieLens-1M: films with 5 ratings or more, in
order, without times; histories cut to the last 200, else the same.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmreco import (
    Catalogue,
    Dataset,
    Embeddings,
    ImageEncoder,
    Interactions,
    LexicalEncoder,
    Report,
    TextEncoder,
    embed,
)
from mmreco.data.attributes import Attributes
from mmreco.datasets.movielens import movielens
from mmreco.datasets.s3rec import s3rec_attributes, s3rec_interactions

CUTOFFS = (5, 10)
NAMES = ("recall@5", "ndcg@5", "recall@10", "ndcg@10")
SETS = {
    "beauty": (
        "amazon_beauty/Beauty.txt",
        "amazon_beauty/Beauty_item2attributes.json",
        "amazon_beauty/Beauty_titles.tsv",
    )
}


@dataclass(frozen=True)
class Given:
    """What a data set knows: the events, and in the catalogue and the content all that it says of the items.

    Attribute lists are in the catalogue's column `category`, titles in `title`; `SharedSpace` reads both from there.
    """

    name: str
    dataset: Dataset
    max_length: int = 50

    @property
    def titles(self) -> list[str | None]:
        """A title an item, None where it has none."""
        catalogue = self.dataset.catalogue
        return catalogue.column("title") if catalogue.has("title") else [None] * len(catalogue)

    def without(self, *columns: str, content: Sequence[str] = ()) -> "Given":
        """The data set without these columns of the catalogue and these modalities."""
        catalogue, vectors = self.dataset.catalogue, self.dataset.content
        left = [name for name in catalogue.table.column_names if name not in columns]
        some = {name: of for name, of in vectors.items() if name not in content}
        less = replace(self.dataset, catalogue=Catalogue(catalogue.items, catalogue.table.select(left)), content=some)
        return replace(self, dataset=less)


def read(
    name: str, sequences: Path, attributes: Path | None, titles: Path | None, *, work: Path, progress: bool = False
) -> Given:
    """The data set in these files; what the encoders made of its titles is kept under `work` for the next run.

    Parameters
    ----------
    sequences : `user item item ...` a line, oldest first
    attributes : JSON, `{item: [attribute, ...]}`
    titles : a table with columns item_id and title
    """
    content: dict[str, Embeddings] = {}
    columns: dict[str, Any] = {}
    if titles is None:
        events = s3rec_interactions(sequences)
    else:
        catalogue = Catalogue.read(titles)
        events = s3rec_interactions(sequences, items=catalogue.items)
        if events.dropped:
            raise SystemExit(f"{titles}: {events.dropped} events of {sequences} are of items it does not list")
        texts = catalogue.column("title")
        columns["title"] = pa.array(texts, pa.large_string())
        words = LexicalEncoder().fit([text for text in texts if text])
        encoders = {"text": TextEncoder("offline"), "words": words}
        content = {
            modality: embed(encoder, catalogue.items, texts, store=work / name / modality, progress=progress).embeddings
            for modality, encoder in encoders.items()
        }
    if attributes is not None:
        columns["category"] = _lists(s3rec_attributes(attributes, events.items))
    table = pa.table(columns or {"title": pa.nulls(len(events.items), pa.large_string())})
    return Given(name, Dataset(Catalogue(events.items, table), events, content=content))


def _lists(bags: Attributes) -> pa.Array:
    """The attributes of each item, as a column of lists."""
    names = pa.array(bags.names, pa.large_string()).take(pa.array(bags.flat))
    return pa.LargeListArray.from_arrays(pa.array(bags.starts), names)


def films(data: Path, *, work: Path, progress: bool = False) -> Given:
    """MovieLens-1M from `data/ml1m` and `data/weights`: titles and genres by MiniLM and word by word, posters by
    SqueezeNet."""
    shop = movielens(data / "ml1m")
    catalogue, log = shop.catalogue, shop.interactions
    events = Interactions.from_events(log.users, log.items, log.users_flat, log.items_flat)
    genres = [", ".join(names or ()) for names in catalogue.column("category")]
    titles = [f"{title} ({genre})" for title, genre in zip(catalogue.column("title"), genres, strict=True)]
    weights = data / "weights" / "squeezenet1_0_imagenet_fp16.safetensors"
    read_by: dict[str, tuple[Any, Any]] = {
        "text": (TextEncoder("offline"), titles),
        "image": (ImageEncoder("torchvision/squeezenet1_0", weights=weights), catalogue.column("image")),
    }
    content = {
        modality: embed(
            encoder, catalogue.items, contents, store=work / "ml1m" / modality, progress=progress
        ).embeddings
        for modality, (encoder, contents) in read_by.items()
    }
    return Given("ml1m", Dataset(catalogue, events, content=content), max_length=200)


def figures(report: Report) -> dict[str, float]:
    """The four figures of the tables."""
    return {name: round(report[name], 4) for name in NAMES}


def versions() -> dict[str, str]:
    """What a run ran on."""
    packages = {name: version(name) for name in ("mmreco", "torch", "numpy", "transformers", "faiss-cpu")}
    return {"python": platform.python_version(), **packages}


def line(**said: Any) -> dict[str, Any]:
    """What a run says at its end."""
    return {**said, "versions": versions(), "machine": platform.processor() or platform.machine()}
