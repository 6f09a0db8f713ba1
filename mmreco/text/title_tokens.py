"""Titles word by word, as plain facts of the items beside category and brand.

A vector of a whole title blurs the one word that tells a brand's line of products; as an attribute each word has a
vector of its own, learnt from what all items that bear it have met. Source: Joulin, Grave, Bojanowski, Mikolov, "Bag of
tricks for efficient text classification", 2017 (a text as the sum of its words' vectors).
"""

import pyarrow as pa

from mmreco.data.catalogue import Catalogue
from mmreco.text.segmentation import segment_all

__all__ = ["with_title_tokens"]

_COLUMN = "title_word"
_MOST = 32  # different words of a title, its first
_TOGETHER = 65_536  # titles whose words are Python strings at a time


def with_title_tokens(catalogue: Catalogue) -> Catalogue:
    """The `catalogue` with each title's words in a column `title_word`, which `Attributes.from_catalogue` takes in.

    Chinese is cut by jieba, stop words are left out (see `mmreco.text`). Of a title the first 32 different words
    count. A catalogue without titles is handed back as it is.

    Examples
    --------
    >>> import pandas as pd
    >>> shop = Catalogue.from_frame(pd.DataFrame({"item_id": ["a", "b"], "title": ["Red dress", "红色连衣裙 red"]}))
    >>> with_title_tokens(shop).column("title_word")
    [['red', 'dress'], ['红色', '连衣裙', 'red']]
    """
    if not catalogue.has("title"):
        return catalogue
    kind = pa.large_list(pa.large_string())
    chunks = []
    for batch in catalogue.table.select(["title"]).to_batches(max_chunksize=_TOGETHER):
        titles = segment_all([title or "" for title in batch["title"].to_pylist()])
        chunks.append(pa.array([list(dict.fromkeys(words))[:_MOST] for words in titles], kind))
    columns = {name: catalogue.table[name] for name in catalogue.table.column_names}
    return Catalogue(catalogue.items, pa.table({**columns, _COLUMN: pa.chunked_array(chunks, kind)}))
