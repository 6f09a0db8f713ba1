"""Where the tests keep collections: a file of milvus-lite, or the server that `MMRECO_MILVUS` names.

On a server their names begin with `mmreco_test`, and what the tests left is dropped before and after.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SERVER = os.environ.get("MMRECO_MILVUS")
NAME = "mmreco_test"


@contextmanager
def place(folder: Path, prefix: str = NAME) -> Iterator[str]:
    """The address, for names that begin with `prefix`; skips where there is nothing to keep them."""
    pymilvus = pytest.importorskip("pymilvus", reason="needs mmreco[milvus]")
    if SERVER is None:
        pytest.importorskip("milvus_lite", reason="needs mmreco[milvus]")
        yield str(folder / "shop.db")
        return
    client = pymilvus.MilvusClient(SERVER)
    drop(client, prefix)
    yield SERVER
    drop(client, prefix)
    client.close()


def drop(client: Any, prefix: str) -> None:
    """Drop the collections whose names begin with `prefix`, and their aliases."""
    for collection in client.list_collections():
        if collection.startswith(prefix):
            for alias in client.list_aliases(collection)["aliases"]:
                client.drop_alias(alias)
            client.drop_collection(collection)
