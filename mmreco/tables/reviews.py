"""A shop's table of reviews, as checked columns."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mmreco.arrays import F64, I64
from mmreco.tables.columns import columns_of
from mmreco.tables.events import known_times
from mmreco.tables.markup import without_markup
from mmreco.tables.values import ids_of, numbers_of, texts_of

__all__ = ["ReviewColumns", "review_columns"]

_WANTED = ("item_id", "text", "user_id", "rating", "timestamp", "helpful")


class ReviewColumns(NamedTuple):
    """What a table says of `r` reviews; None stands for a column that is not there."""

    item_ids: pa.Array
    item_column: str
    texts: pa.Array
    user_ids: pa.Array | None
    ratings: F64 | None
    times: I64 | None
    below: I64 | None
    helpful: F64 | None


def review_columns(frame: Any, *, columns: Mapping[str, str] | None = None) -> ReviewColumns:
    """The columns of a dataframe with a row a review; a null text is an empty one, a null `helpful` is 0.

    Markup and entities are taken out of the texts. An unknown time is that of the item's review before it in the
    table, or else after it.

    Raises
    ------
    DataError
        A column is missing or holds a value it must not; column and row are named.
    """
    given = columns_of(frame, columns, needed=("item_id", "text"), wanted=_WANTED)
    item_ids = ids_of(given["item_id"])
    times = known_times(given["timestamp"], item_ids) if "timestamp" in given else None
    return ReviewColumns(
        item_ids=item_ids,
        item_column=given["item_id"].name,
        texts=without_markup(given["text"].name, texts_of(given["text"])).fill_null(""),
        user_ids=ids_of(given["user_id"]) if "user_id" in given else None,
        ratings=numbers_of(given["rating"], least=1, most=5) if "rating" in given else None,
        times=None if times is None else times.milliseconds,
        below=None if times is None else times.below,
        helpful=np.nan_to_num(numbers_of(given["helpful"], least=0), nan=0) if "helpful" in given else None,
    )
