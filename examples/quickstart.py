"""The ten lines of the README, and a JSON line at the end that says whether the answers are right.

Usage: python examples/quickstart.py
"""

import json
from time import perf_counter

from mmreco import Recommender, SharedSpace, Training
from mmreco.datasets.synthetic.shop import synthetic_shop

start = perf_counter()
shop = synthetic_shop(n_items=300, n_users=400)  # a made-up shop; yours: Dataset.read(items=..., events=...)
rec = Recommender.fit(shop.dataset, model=SharedSpace(dim=32, training=Training(epochs=5)))

print(rec.recommend(["user-007"], k=3))  # a known shopper
print(rec.recommend(history=[["sku-017", "sku-003"]], k=3))  # a stranger with two clicks
print(rec.similar(["sku-017"], k=3, where="price < 200"))  # by item, filtered
words = ["红色连衣裙", "red dress"]
answer = rec.search(text=words, k=3)  # by words, in either language
print(answer)

red_dresses = set(shop.catalogue.items.ids(shop.truth.rows(category="dress", colour="red")))
found = {query: len(red_dresses & set(ids)) for query, ids in zip(words, answer.ids(), strict=True)}
print(json.dumps({"red_dresses_of_3": found, "seconds": round(perf_counter() - start, 1)}, ensure_ascii=False))
