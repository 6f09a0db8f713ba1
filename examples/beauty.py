"""Amazon Beauty end to end: titles, brands and categories, behaviour; the strict protocol of the literature.

Each user's last item is the test, the one before it validation, the rest training; histories are cut to the
last 50; the whole catalogue is ranked, the user's own items left out. Training stops by validation, and the
test is asked once.

    MMRECO_DATA=path/to/data python examples/beauty.py

The folder `amazon_beauty` in it holds `Beauty.txt` and `Beauty_item2attributes.json` (as S3-Rec publishes them)
and `Beauty_titles.tsv` (item_id, asin, title). Titles are read by the MiniLM of `mmreco[offline]`,
by a `LexicalEncoder`, and word by word as attributes.
"""

import argparse
import json
import os
from pathlib import Path
from time import perf_counter

import pyarrow as pa

from mmreco import (
    Catalogue,
    Dataset,
    LexicalEncoder,
    SharedSpace,
    TextEncoder,
    Training,
    embed,
    evaluate,
    leave_last_out,
)
from mmreco.datasets.s3rec import s3rec_attributes, s3rec_interactions

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--data", default=os.environ.get("MMRECO_DATA"), help="folder of the data sets (or MMRECO_DATA)")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--progress", action="store_true")
given = parser.parse_args()
if given.data is None:
    parser.error("say where the data is: --data FOLDER, or set MMRECO_DATA")

start = perf_counter()
folder = Path(given.data) / "amazon_beauty"
catalogue = Catalogue.read(folder / "Beauty_titles.tsv")
events = s3rec_interactions(folder / "Beauty.txt", items=catalogue.items)
bags = s3rec_attributes(folder / "Beauty_item2attributes.json", catalogue.items)
kinds = pa.LargeListArray.from_arrays(pa.array(bags.starts), pa.array(bags.names).take(pa.array(bags.flat)))
catalogue = Catalogue(catalogue.items, catalogue.table.append_column("category", kinds))

titles = catalogue.column("title")
meaning = embed(TextEncoder("offline"), catalogue.items, titles, progress=given.progress)
words = embed(LexicalEncoder().fit([t for t in titles if t]), catalogue.items, titles)
print(f"titles by MiniLM: {meaning}, {meaning.seconds:.0f} s; by their words: {words}, {words.seconds:.0f} s")

beauty = Dataset(catalogue, events, content={"text": meaning.embeddings, "words": words.embeddings})
split = leave_last_out(beauty)
inner = leave_last_out(split.train)  # training, and what tells when to stop
print(inner.train)

space = SharedSpace(max_length=50, training=Training(seed=given.seed))
space.fit(inner.train, validation=inner.test, progress=given.progress)
print(f"validation NDCG@10 by pass: {', '.join(f'{s:.4f}' for s in space.scores_)}; pass {space.epochs_} is kept")

report = evaluate(space, split, (5, 10))
print(report)
figures = {name: round(report[name], 4) for name in ("recall@5", "ndcg@5", "recall@10", "ndcg@10")}
print(json.dumps({**figures, "passes": space.epochs_, "seed": given.seed, "seconds": round(perf_counter() - start, 1)}))
