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
# # A fashion catalogue without any log
#
# A new shop has products and no clicks. Search, similar items and recommendations for a visitor who clicked twice work
# from the first day, by content alone. `MMRECO_DATA` names the folder with `fashion2k/` (2,000 photos and `styles.csv`)
# and `weights/`. `MMRECO_SMALL=1` takes 300 photos and finishes in seconds.

# %%
import json
import os
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from PIL import Image

from mmreco import Dataset, ImageEncoder, LexicalEncoder, Recommender

DATA = Path(os.environ["MMRECO_DATA"])
OUT = Path(os.environ.get("MMRECO_OUT", "."))
SMALL = os.environ.get("MMRECO_SMALL") == "1"

# %% [markdown]
# ## The table

# %%
styles = pd.read_csv(DATA / "fashion2k" / "styles.csv", dtype=str, nrows=300 if SMALL else None)
table = pd.DataFrame(
    {
        "item_id": styles["id"],
        "title": styles["productDisplayName"],
        "category": styles["articleType"],
        "colour": styles["baseColour"],
        "image": styles["id"] + ".jpg",
    }
)
shop = Dataset.from_frames(items=table, images=DATA / "fashion2k" / "images")
goods = shop.catalogue
print(shop)

# %% [markdown]
# ## A recommender without events

# %%
photos = ImageEncoder("torchvision/squeezenet1_0", weights=DATA / "weights" / "squeezenet1_0_imagenet_fp16.safetensors")
words = LexicalEncoder().fit([text for text in goods.texts() if text])
rec = Recommender.fit(shop, text=[words], image=[photos])

# %% [markdown]
# ## The picture
#
# Each row answers one question: similar items, two words with a filter, and a visitor with two clicks.

# %%
first = goods.items.ids([0, 1])
colour = goods.column("colour")[0]
answers = {
    "similar to the first": [first[0], *rec.similar(first[:1], k=5).ids()[0]],
    "search": [*rec.search(text=[str(goods.column("category")[0])], k=6).ids()[0]],
    "two clicks": [*first, *rec.recommend(history=[first], k=4).ids()[0]],
}
filtered = rec.search(text=[str(goods.column("category")[0])], k=6, where=f"colour == '{colour}'").ids()[0]
photo = dict(zip(goods.items.ids(range(len(goods))), goods.column("image"), strict=True))
drawing, axes = plt.subplots(len(answers), 6, figsize=(9, 6), layout="constrained")
for line, (question, ids) in zip(axes, answers.items(), strict=True):
    for axis in line:
        axis.axis("off")
    for axis, item in zip(line, ids, strict=False):
        axis.imshow(Image.open(photo[item]))
    line[0].set_title(question, loc="left", fontsize=9)
drawing.savefig(OUT / "fashion.png", dpi=120)

# %%
print(json.dumps({"items": len(goods), "filtered": len(filtered), "small": SMALL}))
