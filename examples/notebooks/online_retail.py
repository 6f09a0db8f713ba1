# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A real retailer's log, from a table to a picture
#
# UCI Online Retail: one year of invoices of a British shop for gifts (CC BY 4.0). `MMRECO_DATA` names the folder with
# `online_retail/online_retail.parquet`. As a script it runs as it stands; as a notebook, open it with jupytext.
# `MMRECO_SMALL=1` takes a sample of the customers and finishes in seconds; all of them take 207 seconds and 2.1 GiB on
# one core.

# %%
import json
import os
from pathlib import Path
from time import perf_counter

import matplotlib.pyplot as plt
import pandas as pd

from mmreco import EASE, Catalogue, Dataset, Interactions, ItemKNN, Popular, SharedSpace, Training, by_time, evaluate

DATA = Path(os.environ["MMRECO_DATA"])
OUT = Path(os.environ.get("MMRECO_OUT", "."))
SMALL = os.environ.get("MMRECO_SMALL") == "1"

# %% [markdown]
# ## The table
#
# Cancellations, lines without a customer, and postage are no purchases. Lines of one invoice have one time: mmreco
# treats them as a basket, so their order in the file does not matter.

# %%
FEES = ["POST", "DOT", "M", "m", "D", "S", "B", "C2", "CRUK", "PADS", "AMAZONFEE", "BANK CHARGES"]
FEES += ["DCGSSBOY", "DCGSSGIRL"]
lines = pd.read_parquet(DATA / "online_retail" / "online_retail.parquet")
lines = lines[~lines["InvoiceNo"].str.startswith("C") & lines["CustomerID"].notna()]
lines = lines[(lines["Quantity"] > 0) & (lines["UnitPrice"] > 0)]
lines = lines[~lines["StockCode"].isin(FEES) & ~lines["StockCode"].str.startswith("gift_")]
lines["user_id"] = lines["CustomerID"].astype(int).astype(str)
if SMALL:
    lines = lines[lines["CustomerID"].astype(int) % 8 == 0]
lines = lines.drop_duplicates(["user_id", "InvoiceNo", "StockCode"])

train_lines = lines[lines["InvoiceDate"] < "2011-11-10"]
goods = train_lines.groupby("StockCode").agg(
    title=("Description", lambda words: words.mode().iat[0]), price=("UnitPrice", "median")
)
catalogue = Catalogue.from_frame(goods.reset_index().rename(columns={"StockCode": "item_id"}))
events = Interactions.from_frame(
    lines.rename(columns={"StockCode": "item_id", "InvoiceDate": "timestamp"})[["user_id", "item_id", "timestamp"]],
    catalogue=catalogue,
)
shop = Dataset(catalogue, events)
print(shop)

# %% [markdown]
# ## The question
#
# Train before 10 November, ask what each customer buys after it. "New" leaves out what the customer bought before.

# %%
split = by_time(shop, "2011-11-10")
training = Training(epochs=2) if SMALL else Training()
figures, seconds = {}, {}
for model in (Popular(), ItemKNN(), EASE(), SharedSpace(training=training)):
    start = perf_counter()
    model.fit(split.train)
    seconds[type(model).__name__] = round(perf_counter() - start, 1)
    figures[type(model).__name__] = {
        "new": round(evaluate(model, split)["ndcg@10"], 4),
        "new and repeats": round(evaluate(model, split, exclude_seen=False)["ndcg@10"], 4),
    }
table = pd.DataFrame(figures).T
print(table)

# %% [markdown]
# ## The picture

# %%
colours = ["#9aa5b1", "#9aa5b1", "#9aa5b1", "#d1495b"]
drawing, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for axis, question in zip(axes, table.columns, strict=True):
    axis.barh(table.index[::-1], table[question][::-1], color=colours[::-1])
    axis.set_title(f"NDCG@10, {question}")
    axis.spines[["top", "right"]].set_visible(False)
drawing.savefig(OUT / "online_retail.png", dpi=120)

# %%
print(json.dumps({"ndcg@10": figures, "fit_seconds": seconds, "small": SMALL}))
