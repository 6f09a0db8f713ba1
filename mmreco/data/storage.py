"""How the nouns lie in an artefact folder: parquet for columns, safetensors for arrays, JSON for names.

The caller publishes and verifies the artefact (`mmreco.storage.artefact`); these functions only write into a
folder that is given and read what they wrote.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file, save_file

from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions

__all__ = [
    "read_catalogue",
    "read_ids",
    "read_interactions",
    "write_catalogue",
    "write_ids",
    "write_interactions",
]

_ID = "__id__"  # the catalogue's id column; no shop's own column is called this


def write_ids(path: Path, ids: IdMap) -> None:
    """Write the ids as a parquet file."""
    pq.write_table(pa.table({_ID: ids.array}), path)


def read_ids(path: Path) -> IdMap:
    """The ids that `write_ids` wrote."""
    return IdMap(pq.read_table(path)[_ID])


def write_catalogue(path: Path, catalogue: Catalogue) -> None:
    """Write ids and columns as a parquet file."""
    pq.write_table(catalogue.table.append_column(_ID, catalogue.items.array), path)


def read_catalogue(path: Path) -> Catalogue:
    """The catalogue that `write_catalogue` wrote."""
    table = pq.read_table(path)
    return Catalogue(IdMap(table[_ID]), table.drop_columns([_ID]))


def write_interactions(folder: Path, events: Interactions) -> None:
    """Write users and events into `folder`, which is made; the items are the caller's to keep."""
    folder.mkdir(parents=True)
    write_ids(folder / "users.parquet", events.users)
    arrays: dict[str, np.ndarray] = {
        "starts": events.starts,
        "items_flat": events.items_flat,
        "events": events.event_types,
        "weights": events.weights,
    }
    if events.times is not None:
        arrays["times"] = events.times
    if events.nanoseconds is not None:
        arrays["nanoseconds"] = events.nanoseconds
    save_file(arrays, folder / "events.safetensors")
    about = {"event_names": list(events.event_names), "dropped": events.dropped}
    (folder / "interactions.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")


def read_interactions(folder: Path, items: IdMap) -> Interactions:
    """The interactions that `write_interactions` wrote, over `items`."""
    about = json.loads((folder / "interactions.json").read_text(encoding="utf-8"))
    arrays = load_file(folder / "events.safetensors")
    return Interactions(
        users=read_ids(folder / "users.parquet"),
        items=items,
        starts=arrays["starts"],
        items_flat=arrays["items_flat"],
        event_types=arrays["events"],
        event_names=tuple(about["event_names"]),
        weights=arrays["weights"],
        times=arrays.get("times"),
        dropped=about["dropped"],
        nanoseconds=arrays.get("nanoseconds"),
    )
