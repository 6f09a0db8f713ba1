"""How a state lies in an artefact folder, and how it is taken from there."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmreco.data.ids import IdMap
from mmreco.data.reviews import Reviews
from mmreco.data.storage import (
    read_catalogue,
    read_ids,
    read_interactions,
    write_catalogue,
    write_ids,
    write_interactions,
)
from mmreco.data.users import Users
from mmreco.embedding.catalogue import modality
from mmreco.encoders.registry import encoder_class, encoder_kind
from mmreco.errors import DataError, IncompatibleError
from mmreco.index.delta import DeltaIndex
from mmreco.index.vector import VectorIndex
from mmreco.live.event_log import EventLog
from mmreco.live.item_space import Indexing, ItemSpace
from mmreco.live.popularity import Popularity
from mmreco.live.state import State
from mmreco.models import MODELS
from mmreco.models.base import Model, VectorModel
from mmreco.protocols import Recommends
from mmreco.retrieval.content_index import ContentIndex
from mmreco.retrieval.lexical import LexicalIndex

__all__ = ["about", "load_state", "save_state"]


def about(state: State) -> dict[str, Any]:
    """What the manifest says of a state.

    Raises
    ------
    DataError
        The model is none of the library's, and so cannot be stored.
    """
    model = state.model
    if model is not None and not isinstance(model, Model):
        raise DataError(
            f"a {type(model).__name__} cannot be stored; expected a model of mmreco.models, or one below Model"
        )
    kind = None if model is None else {"kind": type(model).__name__, "config": model._config()}
    settings = {"quality": state.indexing.quality, "device": state.indexing.device, "repeats": state.repeats}
    settings |= {"chosen": state.chosen} if state.chosen else {}
    return {"items": len(state.items), "model": kind, **settings}


def save_state(state: State, path: Path) -> None:
    """Write everything into the existing folder `path`; what was observed becomes part of the log."""
    log = state.log.merged(state.items)
    write_catalogue(path / "catalogue.parquet", state.catalogue)
    write_interactions(path / "histories", log)
    pq.write_table(state.refused, path / "refused.parquet")
    alive = np.ones(len(state.items), dtype=np.bool_) if state.alive is None else state.alive
    opening = state.popularity.counts(len(state.items))
    pq.write_table(pa.table({"alive": alive, "popularity": opening}), path / "items.parquet")
    write_ids(path / "model_items.parquet", state.model_items)
    if state.users is not None:
        pq.write_table(state.users.table.append_column("__id__", state.users.ids.array), path / "users.parquet")
    if state.reviews is not None:
        _save_reviews(state.reviews, path / "reviews.parquet")
    (path / "content").mkdir()
    kinds = {}
    for name, one in state.content.items():
        for below in ("encoder", "index"):
            (path / "content" / name / below).mkdir(parents=True)
        kinds[name] = encoder_kind(one.encoder)
        one.encoder.save_to(path / "content" / name / "encoder")  # type: ignore[attr-defined]  # registered kinds are Storable
        one.index._write(path / "content" / name / "index")
    (path / "content" / "encoders.json").write_text(json.dumps(kinds), encoding="utf-8")
    if state.lexical is not None:
        (path / "lexical").mkdir()
        state.lexical._write(path / "lexical")
    if isinstance(state.model, Model):
        (path / "model").mkdir()
        state.model._write(path / "model")
    if state.space is not None:
        (path / "vectors").mkdir()
        state.space.index._write(path / "vectors")


def load_state(path: Path, manifest: Mapping[str, Any], indexing: Indexing) -> State:
    """The state that `save_state` wrote.

    Raises
    ------
    DataError
        A part is missing or damaged.
    IncompatibleError
        A model or an encoder is of a kind that is not known here.
    """
    catalogue = read_catalogue(path / "catalogue.parquet")
    items, flags = catalogue.items, pq.read_table(path / "items.parquet")
    alive = flags["alive"].to_numpy()
    content = {}
    for name, kind in json.loads((path / "content" / "encoders.json").read_text(encoding="utf-8")).items():
        kind_of = modality(name)  # refuses what is no name
        folder = path / "content" / name
        encoder = encoder_class(kind).load_from(folder / "encoder")
        content[name] = ContentIndex(kind_of, encoder, items, _index(name, folder / "index", indexing))
    model = _model(path, manifest["model"])
    space = None
    if isinstance(model, VectorModel):
        space = ItemSpace(model, _index("items", path / "vectors", indexing), indexing)
    log = read_interactions(path / "histories", items)
    return State(
        catalogue=catalogue,
        content=content,
        model=model,
        model_items=read_ids(path / "model_items.parquet"),
        space=space,
        log=EventLog(log),
        popularity=Popularity(flags["popularity"].to_numpy().astype(np.float32)),
        lexical=LexicalIndex._read(path / "lexical") if (path / "lexical").exists() else None,
        refused=pq.read_table(path / "refused.parquet"),
        indexing=indexing,
        repeats=bool(manifest["repeats"]),
        alive=None if alive.all() else alive,
        reviews=_reviews(path / "reviews.parquet", items),
        users=_users(path / "users.parquet"),
        chosen=str(manifest.get("chosen", "")),
    )


def _model(path: Path, kind: Mapping[str, Any] | None) -> Recommends | None:
    if kind is None:
        return None
    if kind["kind"] not in MODELS:
        raise IncompatibleError(f"{path}: a model {kind['kind']!r}; this version of mmreco has {', '.join(MODELS)}")
    return MODELS[kind["kind"]]._read(path / "model", dict(kind["config"]))


def _index(name: str, path: Path, indexing: Indexing) -> VectorIndex | DeltaIndex:
    stored = VectorIndex._read(path, device=indexing.device if indexing.custom is None else "cpu")
    return stored if indexing.custom is None else indexing.build(name, stored.embeddings)


def _save_reviews(reviews: Reviews, path: Path) -> None:
    columns = {
        "item": reviews.items_flat,
        "text": pa.array(reviews.texts, pa.large_string()),
        "rating": reviews.ratings,
        "helpful": reviews.helpful,
    }
    if reviews.times is not None:
        columns["time"] = reviews.times
    if reviews.users is not None and reviews.users_flat is not None:
        columns["user"] = reviews.users.array.take(pa.array(reviews.users_flat))
    pq.write_table(pa.table(columns), path)


def _reviews(path: Path, items: IdMap) -> Reviews | None:
    if not path.exists():
        return None
    table = pq.read_table(path)
    users = None
    if "user" in table.column_names:
        encoded = table["user"].combine_chunks().dictionary_encode()
        users = IdMap(encoded.dictionary), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Reviews.from_rows(
        items,
        table["item"].to_numpy(),
        table["text"].to_pylist(),
        ratings=table["rating"].to_numpy(),
        helpful=table["helpful"].to_numpy(),
        times=table["time"].to_numpy() if "time" in table.column_names else None,
        users=users,
    )


def _users(path: Path) -> Users | None:
    if not path.exists():
        return None
    table = pq.read_table(path)
    return Users(IdMap(table["__id__"]), table.drop_columns(["__id__"]))
