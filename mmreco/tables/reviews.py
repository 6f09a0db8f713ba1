"""A shop's table of reviews, as checked columns."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mmreco.arrays import F64, I64
from mmreco.tables.columns import columns_of, ids_of, numbers_of, texts_of, times_of

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
    helpful: F64 | None


def review_columns(frame: Any, *, columns: Mapping[str, str] | None = None) -> ReviewColumns:
    """The columns of a dataframe with a row a review; a null text is an empty one, a null `helpful` is 0.

    Raises
    ------
    DataError
        A column is missing or holds a value it must not; column and row are named.
    """
    given = columns_of(frame, columns, needed=("item_id", "text"), wanted=_WANTED)
    return ReviewColumns(
        item_ids=ids_of(given["item_id"]),
        item_column=given["item_id"].name,
        texts=texts_of(given["text"]).fill_null(""),
        user_ids=ids_of(given["user_id"]) if "user_id" in given else None,
        ratings=numbers_of(given["rating"], least=1, most=5) if "rating" in given else None,
        times=times_of(given["timestamp"]) if "timestamp" in given else None,
        helpful=np.nan_to_num(numbers_of(given["helpful"], least=0), nan=0) if "helpful" in given else None,
    )
