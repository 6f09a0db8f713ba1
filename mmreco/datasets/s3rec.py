"""S3-Rec's files: sequences, a user a line, and attributes as JSON.

Every reader refuses a bad line with the file's name and the line's number (from 1). Files ending in `.gz` are unpacked
on the way. Source: Zhou et al., "S3-Rec", 2020.
"""

import json
import zlib
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmreco.data.attributes import Attributes
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError
from mmreco.tables.lines import lines, opened
from mmreco.tables.nesting import DEEPEST, depth

__all__ = ["s3rec_attributes", "s3rec_interactions"]


def s3rec_interactions(path: str | Path, *, items: IdMap | None = None) -> Interactions:
    """The sequences in an S3-Rec file: a user a line, `user item item ...`, oldest first; there are no times.

    Parameters
    ----------
    path : file, `.gz` included
    items : optional
        The items there are; others are dropped and counted. Without it, the items seen, in order of appearance.

    Raises
    ------
    DataError
        The file is missing or not UTF-8, or a user comes twice; file and line are named.
    """
    users: dict[str, int] = {}
    lengths: list[int] = []
    flat: list[str] = []
    for number, line in lines(path):
        user, *sequence = line.split()
        if user in users:
            raise DataError(f"{path}, line {number}: user {user!r} again, first in line {users[user]}")
        users[user] = number
        lengths.append(len(sequence))
        flat += sequence
    encoded = pa.array(flat, pa.large_string()).dictionary_encode()
    ids = IdMap(encoded.dictionary) if items is None else items
    rows = ids.rows(pa.array(flat, pa.large_string()), missing="mark")
    owner = np.repeat(np.arange(len(users)), np.asarray(lengths, dtype=np.int64))
    in_map = rows >= 0
    return Interactions.from_events(
        IdMap.of(list(users)), ids, owner[in_map], rows[in_map], dropped=int((~in_map).sum())
    )


def s3rec_attributes(path: str | Path, items: IdMap) -> Attributes:
    """The attributes of `items` at `path`, an S3-Rec JSON file, `{item: [attribute, ...]}`.

    Raises
    ------
    DataError
        The file is missing, or no JSON object of lists.
    """
    try:
        with opened(path) as file:
            raw = file.read()
        if depth(raw) > DEEPEST:
            raise DataError(f"{path}: lists in lists more than {DEEPEST} deep; expected one JSON object of lists")
        lists = json.loads(raw, object_pairs_hook=partial(_distinct, path))
    except DataError:
        raise
    except (ValueError, RecursionError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: no JSON ({error})") from error
    if not isinstance(lists, dict) or not all(isinstance(bag, list) for bag in lists.values()):
        raise DataError(f"{path}: expected one JSON object of lists, item to attributes")
    for item, bag in lists.items():
        odd = next((a for a in bag if isinstance(a, bool) or not isinstance(a, (str, int))), "")
        if odd != "":
            raise DataError(f"{path}: item {item!r} has {odd!r:.60}; expected attributes as text or whole numbers")
    return Attributes.from_lists(items, {item: [str(a) for a in bag] for item, bag in lists.items()})


def _distinct(path: str | Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    lists = dict(pairs)
    if len(lists) < len(pairs):
        name = next(n for n, count in Counter(n for n, _ in pairs).items() if count > 1)
        raise DataError(f"{path}: {name!r} comes twice in one object; expected each item once")
    return lists
