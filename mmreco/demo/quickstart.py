"""The shop that a newcomer starts with: tables, pictures and a trained artefact in one folder, within a minute."""

import shlex
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmreco.data.dataset import Dataset
from mmreco.datasets.synthetic import SyntheticShop, synthetic_shop
from mmreco.datasets.synthetic.pictures import draw
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.errors import DataError
from mmreco.models.sharedspace import SharedSpace
from mmreco.models.training import Training
from mmreco.recommender import Recommender

__all__ = ["QuickShop", "quick_shop"]

_PICTURE_EPOCHS = 5  # both are enough to see the point; fit.sh trains in full
_EPOCHS = 4


class QuickShop(NamedTuple):
    """What was made.

    Parameters
    ----------
    artefact : its folder
    item : an item worth a first click
    seconds : how long it took
    """

    artefact: Path
    item: str
    seconds: float


def quick_shop(folder: str | Path, *, n_items: int = 400, n_users: int = 600, progress: bool = False) -> QuickShop:
    """Make a synthetic shop in a new folder, as a shop would have it, and train a recommender on it, quickly.

    Written are `items.parquet`, `events.parquet`, `reviews.parquet`, the folder `pictures`, `fit.sh` and `serve.sh`
    with the commands for these files, and the folder `artefact`.

    Parameters
    ----------
    folder : does not exist, or is empty
    n_items : 64 or more
    n_users : 1 or more
    progress : optional
        Whether to show bars.

    Raises
    ------
    DataError
        The folder holds something, or a number lies outside its range.
    """
    start, top = perf_counter(), Path(folder).resolve()
    if top.exists() and (not top.is_dir() or any(top.iterdir())):
        raise DataError(f"quickstart: {folder} is there and not empty; name a new folder")
    shop = synthetic_shop(n_items, n_users)
    top.mkdir(parents=True, exist_ok=True)
    draw(shop, top / "pictures", progress=progress)
    _write_tables(shop, top)
    _write_commands(top)
    dataset = Dataset.read(
        items=top / "items.parquet",
        events=top / "events.parquet",
        reviews=top / "reviews.parquet",
        images=top / "pictures",
    )
    encoder = ImageEncoder.fit(dataset.catalogue, epochs=_PICTURE_EPOCHS, progress=progress)
    model = SharedSpace(training=Training(epochs=_EPOCHS, patience=None))
    recommender = Recommender.fit(dataset, model=model, image=[encoder], progress=progress)
    recommender.save(top / "artefact")
    return QuickShop(top / "artefact", _worth_a_click(shop), perf_counter() - start)


def _write_tables(shop: SyntheticShop, folder: Path) -> None:
    log, reviews = shop.interactions, shop.reviews
    pq.write_table(shop.catalogue.table.add_column(0, "item_id", shop.catalogue.items.array), folder / "items.parquet")
    events = {
        "user_id": log.users.ids(log.users_flat),
        "item_id": log.items.ids(log.items_flat),
        "event": [log.event_names[kind] for kind in log.event_types],
        "weight": log.weights,
        "timestamp": pa.array(log.times, pa.timestamp("ms", "UTC")),
    }
    pq.write_table(pa.table(events), folder / "events.parquet")
    written = {
        "item_id": reviews.items.ids(reviews.items_flat),
        "text": list(reviews.texts),
        "rating": reviews.ratings,
        "helpful": reviews.helpful,
        "timestamp": pa.array(reviews.times, pa.timestamp("ms", "UTC")),
    }
    if reviews.users is not None and reviews.users_flat is not None:
        written["user_id"] = reviews.users.ids(reviews.users_flat)
    pq.write_table(pa.table(written), folder / "reviews.parquet")


def _write_commands(folder: Path) -> None:
    pictures = shlex.quote(str(folder / "pictures"))
    (folder / "fit.sh").write_text(
        "#!/bin/sh\n"
        "# Trains in full, some minutes; a server that runs picks the new artefact up by itself.\n"
        'cd "$(dirname "$0")" || exit 1\n'
        "exec mmreco fit --items items.parquet --events events.parquet --reviews reviews.parquet \\\n"
        f"  --images {pictures} --out artefact\n",
        encoding="utf-8",
    )
    (folder / "serve.sh").write_text(
        '#!/bin/sh\ncd "$(dirname "$0")" || exit 1\nexec mmreco serve artefact --window "$@"\n', encoding="utf-8"
    )
    for name in ("fit.sh", "serve.sh"):
        (folder / name).chmod(0o755)


def _worth_a_click(shop: SyntheticShop) -> str:
    """A red dress with a picture, the oftenest chosen; the oftenest chosen item where there is none."""
    counts = shop.interactions.counts()
    dresses = shop.truth.rows(category="dress", colour="red")
    dresses = dresses[shop.truth.pictured[dresses] & (counts[dresses] > 0)]
    among = dresses if len(dresses) else np.arange(len(counts))
    return shop.catalogue.items.ids([int(among[counts[among].argmax()])])[0]
