"""The data sets as the quality benchmarks read them, the protocol's conventions, and what is said of a run.

Amazon sets in the form of S3-Rec: each user's last item is the test, the one before it validation, the rest training;
histories are cut to the last 50; the whole catalogue is ranked, the user's own items left out. Strict: trained on the
training items alone, stopped by validation. Refit: the recipe and the number of passes that validation kept, trained
once more with the validation items. Either way the test is asked once. MovieLens-1M: films with 5 ratings or more, in
order, without times; histories cut to the last 200, else the same.
"""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mmreco import (
    Catalogue,
    Embeddings,
    ImageEncoder,
    Interactions,
    LexicalEncoder,
    Report,
    TextEncoder,
    embed,
    with_title_tokens,
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
    """What a data set knows: who turned to what, and of the items their titles, the vectors of what they say and look
    like, their attributes, and the words of their titles as attributes, where it has them."""

    name: str
    events: Interactions
    content: Mapping[str, Embeddings]
    attributes: Attributes | None
    words: Attributes | None = None
    titles: Sequence[str | None] = ()
    max_length: int = 50

    @property
    def told(self) -> dict[str, Any]:
        """What `SharedSpace.fit` is told of the items."""
        facts = self.attributes if self.attributes is not None else self.words
        if self.attributes is not None and self.words is not None:
            facts = self.attributes.add(self.words)
        return {"content": self.content, "attributes": facts}


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
    if titles is None:
        events = s3rec_interactions(sequences)
        texts, content, said = [], {}, None
    else:
        catalogue = Catalogue.read(titles)
        events = s3rec_interactions(sequences, items=catalogue.items)
        if events.dropped:
            raise SystemExit(f"{titles}: {events.dropped} events of {sequences} are of items it does not list")
        texts = catalogue.column("title")
        said = Attributes.from_catalogue(with_title_tokens(catalogue), columns=["title_word"])
        words = LexicalEncoder().fit([text for text in texts if text])
        encoders = {"text": TextEncoder("offline"), "words": words}
        content = {
            modality: embed(encoder, catalogue.items, texts, store=work / name / modality, progress=progress).embeddings
            for modality, encoder in encoders.items()
        }
    bags = None if attributes is None else s3rec_attributes(attributes, events.items)
    return Given(name, events, content, bags, said, texts)


def films(data: Path, *, work: Path, progress: bool = False) -> Given:
    """MovieLens-1M from `data/ml1m` and `data/weights`: titles and genres by MiniLM and word by word, posters by
    SqueezeNet."""
    catalogue, log = movielens(data / "ml1m")
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
    kinds = Attributes.from_catalogue(catalogue)
    said = Attributes.from_catalogue(with_title_tokens(catalogue), columns=["title_word"])
    return Given("ml1m", events, content, kinds, said, titles, max_length=200)


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
