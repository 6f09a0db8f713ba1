"""Complements, substitutes and carts on real logs.

    MMRECO_DATA=../shared/data python benchmarks/baskets.py [--on related|tafeng|retail] [--seed 0]

- related: Amazon Beauty. A quarter of the items is held out, and with them every pair that touches one; asked are the
  held-out items that have complements. Hit@10 among all items, the share of substitutes among the ten, and the AUC of
  telling their substitutes from their complements; the cosine of titles beside it.
- tafeng, retail: one item of each customer's last basket is held out by chance, the rest is the cart; earlier baskets
  are known. Recall@10 beside popularity, ItemKNN and EASE, each taught baskets and asked carts, and taught customers
  and asked their whole past with the cart; our parameters are those of the basket before the last.
The last line is one JSON.
"""

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rerank import beauty
from sklearn.metrics import roc_auc_score

from mmreco.baskets import CartCompletion, ItemPairs, ItemRelations
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.models.ease import EASE
from mmreco.models.itemknn import ItemKNN
from mmreco.models.popular import Popular

K = 10


# ---- complements and substitutes


def related(data: Path, seed: int) -> dict[str, Any]:
    """Both relations of held-out items."""
    shop = beauty(data)
    pairs = ItemPairs.from_frame(pq.read_table(data / "amazon_beauty" / "related.parquet"), shop.items)
    held = np.random.default_rng(seed).random(len(shop)) < 0.25
    relations = ItemRelations.fit(shop, pairs.without(held), seed=seed)
    tried = pairs.of(held)
    asked = np.unique(tried.complements[:, 0])
    both = np.concatenate([tried.complements, tried.substitutes])
    replaces = np.arange(len(both)) >= len(tried.complements)
    words = relations.features.words
    out: dict[str, Any] = {
        "items_held_out": int(held.sum()),
        "items_asked": len(asked),
        "auc": float(roc_auc_score(replaces, relations.substitute_probability(both[:, 0], both[:, 1]))),
        "auc_titles": float(roc_auc_score(replaces, relations.features.between(both[:, 0], both[:, 1])[:, 0])),
        **_hits(relations.complements(asked, K), asked, tried, len(shop)),
    }
    plain = (words[asked] @ words.T).toarray().astype(np.float32)
    plain[np.arange(len(asked)), asked] = -np.inf
    out["titles"] = _hits(Ranking.from_scores(plain, K), asked, tried, len(shop))
    replaced = np.unique(tried.substitutes[:, 0])
    found = relations.substitutes(replaced, K)
    out["substitutes_hit"] = float(_in(found, replaced, tried.substitutes, len(shop)).any(axis=1).mean())
    return out


def _in(ranking: Ranking, asked: np.ndarray, pairs: np.ndarray, n: int) -> np.ndarray:
    keys = pairs[:, 0] * n + pairs[:, 1]
    return np.isin(asked[:, None] * n + ranking.rows, keys) & (ranking.rows >= 0)


def _hits(ranking: Ranking, asked: np.ndarray, pairs: ItemPairs, n: int) -> dict[str, float]:
    return {
        "hit": float(_in(ranking, asked, pairs.complements, n).any(axis=1).mean()),
        "substitutes_among_ten": float(_in(ranking, asked, pairs.substitutes, n).mean()),
        "short": float((ranking.rows < 0).mean()),
    }


# ---- carts


class Carts:
    """The baskets of each customer in time order, and carts with one item held out."""

    def __init__(self, users: np.ndarray, numbers: np.ndarray, rows: np.ndarray, items: IdMap, seed: int) -> None:
        keys = np.unique(np.stack([users, numbers, rows], axis=1), axis=0)  # by user, basket, item
        self.items, self.users, self.numbers, self.rows = items, keys[:, 0], keys[:, 1], keys[:, 2]
        self.last = np.zeros(int(users.max()) + 1, dtype=np.int64)
        np.maximum.at(self.last, self.users, self.numbers)
        self.seed = seed

    def asked(self, back: int, most: int) -> tuple[Interactions, Interactions, Interactions, np.ndarray]:
        """Training baskets, carts, pasts and targets; the basket `back` before each customer's last is asked of."""
        rng = np.random.default_rng(self.seed + back)
        at = self.last - back
        here = self.numbers == at[self.users]
        before = self.numbers < at[self.users]
        sizes = np.bincount(self.users[here], minlength=len(self.last))
        fit = np.flatnonzero((sizes >= 2) & (at > 0))
        fit = np.sort(rng.permutation(fit)[:most])
        number = np.full(len(self.last), -1)
        number[fit] = np.arange(len(fit))
        events = np.flatnonzero(here & (number[self.users] >= 0))
        luck = rng.random(len(events))
        order = np.lexsort((luck, self.users[events]))
        events = events[order]
        first = np.ones(len(events), dtype=bool)
        first[1:] = self.users[events][1:] != self.users[events][:-1]
        targets = self.rows[events[first]]
        cart = events[~first]
        past = np.flatnonzero(before & (number[self.users] >= 0))
        names = IdMap.of([str(u) for u in fit])
        key = self.users[before] * 100_000 + self.numbers[before]
        distinct, owner = np.unique(key, return_inverse=True)
        train = Interactions.from_events(IdMap.of([str(b) for b in distinct]), self.items, owner, self.rows[before])
        return (
            train,
            Interactions.from_events(names, self.items, number[self.users[cart]], self.rows[cart]),
            Interactions.from_events(names, self.items, number[self.users[past]], self.rows[past]),
            targets,
        )

    def customers(self, back: int) -> Interactions:
        """What every customer bought before the basket `back` before the last, a history each."""
        before = self.numbers < (self.last - back)[self.users]
        names = IdMap.of([str(u) for u in range(len(self.last))])
        return Interactions.from_events(names, self.items, self.users[before], self.rows[before])


def tafeng(data: Path, at_least: int, seed: int) -> Carts:
    """Ta-Feng, items in so many baskets."""
    table = pq.read_table(data / "tafeng" / "baskets.parquet")
    users = table["user_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    return _carts(users, table["basket"].to_numpy(), table["item_id"].combine_chunks(), at_least, seed)


def retail(data: Path, at_least: int, seed: int) -> Carts:
    """Online Retail: an invoice is a basket; no cancellations, postage or unknown customers."""
    table = pq.read_table(data / "online_retail" / "online_retail.parquet")
    table = table.filter(pc.invert(pc.starts_with(table["InvoiceNo"], "C")))
    table = table.filter(pc.is_valid(table["CustomerID"]))
    table = table.filter(pc.and_(pc.greater(table["Quantity"], 0), pc.greater(table["UnitPrice"], 0)))
    fees = ["POST", "DOT", "M", "m", "D", "S", "B", "C2", "CRUK", "PADS", "AMAZONFEE", "BANK CHARGES"]
    code = table["StockCode"]
    fee = np.array([c in fees or c.startswith(("gift_", "DCGSS")) for c in code.to_pylist()])
    table = table.filter(~fee)
    users = table["CustomerID"].combine_chunks().dictionary_encode().indices.to_numpy()
    times = table["InvoiceDate"].to_numpy().astype(np.int64)
    invoices = np.unique(
        table["InvoiceNo"].combine_chunks().dictionary_encode().indices.to_numpy(), return_inverse=True
    )[1]
    begins = np.full(invoices.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(begins, invoices, times)
    order = np.lexsort((invoices, begins[invoices], users))
    numbers = np.zeros(len(users), dtype=np.int64)
    u, b = users[order], invoices[order]
    opens = np.ones(len(u), dtype=bool)
    opens[1:] = (u[1:] != u[:-1]) | (b[1:] != b[:-1])
    counted = np.cumsum(opens)
    start = np.zeros(u.max() + 1, dtype=np.int64)
    firsts = np.r_[True, u[1:] != u[:-1]]
    start[u[firsts]] = counted[firsts]
    numbers[order] = counted - start[u]
    return _carts(users, numbers, table["StockCode"].combine_chunks(), at_least, seed)


def _carts(users: np.ndarray, numbers: np.ndarray, ids: Any, at_least: int, seed: int) -> Carts:
    encoded = ids.dictionary_encode()
    rows = encoded.indices.to_numpy().astype(np.int64)
    often = np.bincount(rows) >= at_least
    new = np.cumsum(often) - 1
    names = np.asarray(encoded.dictionary.to_pylist(), dtype=object)[often]
    kept = often[rows]
    return Carts(
        users[kept].astype(np.int64), numbers[kept].astype(np.int64), new[rows[kept]], IdMap.of(names.tolist()), seed
    )


def completed(carts: Carts, most: int) -> dict[str, Any]:
    """Recall@10 of the held-out item."""
    train, cart, past, targets = carts.asked(1, most)
    tried = []
    for l2 in (10.0, 25.0, 50.0, 100.0):
        model = CartCompletion.fit(train, l2=l2)
        for own in (0.0, 0.1, 0.2, 0.4, 0.8):
            variant = replace(model, own_weight=own)
            tried.append((_recall(variant.complete(cart, K, past=past), targets), {"l2": l2, "own_weight": own}))
    best = max(tried, key=lambda one: one[0])
    penalty = max((one for one in tried if one[1]["own_weight"] == 0), key=lambda one: one[0])[1]["l2"]
    print("tuned on the basket before", best, "EASE", penalty, flush=True)
    train, cart, past, targets = carts.asked(0, most)
    customers = carts.customers(0)
    whole = Interactions.from_events(
        cart.users,
        carts.items,
        np.concatenate([past.users_flat, cart.users_flat]),
        np.concatenate([past.items_flat, cart.items_flat]),
    )
    ours = CartCompletion.fit(train, **best[1])
    out: dict[str, Any] = {
        "carts": len(cart),
        "items": len(carts.items),
        "parameters": best[1],
        "ours": _recall(ours.complete(cart, K, past=past), targets),
        "ours, cart alone": _recall(ours.complete(cart, K), targets),
        "ours, as it comes": _recall(CartCompletion.fit(train).complete(cart, K, past=past), targets),
    }
    peers: dict[str, Callable[[], Any]] = {
        "Popular": Popular,
        "ItemKNN": ItemKNN,
        "EASE": EASE,
        "EASE tuned": lambda: EASE(l2=penalty),
    }
    barred = cart
    for name, make in peers.items():
        model = make().fit(Dataset.from_interactions(train))
        out[f"{name} of carts"] = _recall(model.recommend(Request(cart, k=K)), targets)
        asked = Request(whole, k=K, exclude_seen=False, exclude=barred)
        out[f"{name} of carts, asked with the past"] = _recall(model.recommend(asked), targets)
        model = make().fit(Dataset.from_interactions(customers))
        out[f"{name} of customers"] = _recall(model.recommend(asked), targets)
        print({k: v for k, v in out.items() if k.startswith(name)}, flush=True)
    return out


def _recall(ranking: Ranking, targets: np.ndarray) -> float:
    return round(float((ranking.rows == targets[:, None]).any(axis=1).mean()), 4)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--on", choices=("related", "tafeng", "retail"), default="related")
    parser.add_argument("--carts", type=int, default=4000)
    parser.add_argument("--at-least", type=int, default=10, help="baskets an item is in, else it is left out")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    data = Path(os.environ["MMRECO_DATA"])
    if asked.on == "related":
        result = related(data, asked.seed)
    else:
        shop = {"tafeng": tafeng, "retail": retail}[asked.on](data, asked.at_least, asked.seed)
        result = completed(shop, asked.carts)
    print(json.dumps({"on": asked.on, "seed": asked.seed, **result}))


if __name__ == "__main__":
    main()
