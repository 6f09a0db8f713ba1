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
# # MovieLens with posters, from a table to a picture
#
# Films have titles, genres and posters; people rated them. The notebook trains one space, then shows which films are
# similar: by behaviour, and by poster and title. `MMRECO_DATA` names the folder with `ml1m/` (MovieLens-1M, posters in
# `ml1m/posters/`) and `weights/`. `MMRECO_SMALL=1` takes a sample and finishes in seconds; all of it takes 493
# seconds and 2.8 GiB on one busy core, as training stops after five minutes.

# %%
import json
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from mmreco import Dataset, ImageEncoder, Interactions, LexicalEncoder, Recommender, SharedSpace, Training
from mmreco.datasets.movielens import movielens

DATA = Path(os.environ["MMRECO_DATA"])
OUT = Path(os.environ.get("MMRECO_OUT", "."))
SMALL = os.environ.get("MMRECO_SMALL") == "1"

# %% [markdown]
# ## The tables

# %%
shop = movielens(DATA / "ml1m")
films, log = shop.catalogue, shop.interactions
if SMALL:
    often = np.argsort(-log.counts())[:200]
    chosen = np.sort(often)
    place = np.full(len(log.items), -1)
    place[chosen] = np.arange(len(chosen))
    keep = (place[log.items_flat] >= 0) & (log.users_flat % 20 == 0)
    films = films.take(chosen)
    log = Interactions.from_events(log.users, films.items, log.users_flat[keep], place[log.items_flat[keep]])
    shop = Dataset(films, log.take(np.flatnonzero(log.lengths)))
print(shop)

# %% [markdown]
# ## One space
#
# Titles are read by their words, posters by a SqueezeNet trained on ImageNet.

# %%
posters = ImageEncoder(
    "torchvision/squeezenet1_0", weights=DATA / "weights" / "squeezenet1_0_imagenet_fp16.safetensors"
)
words = LexicalEncoder().fit([text for text in films.texts() if text])
training = Training(epochs=2) if SMALL else Training(minutes=5)
rec = Recommender.fit(shop, text=[words], image=[posters], model=SharedSpace(training=training))

# %% [markdown]
# ## The picture
#
# The first column is the film asked for. Above: what people saw who saw it. Below: what looks like its poster.

# %%
asked = films.items.ids([int(np.argmax(log.counts()))])[0]
rows = {by: [asked, *rec.similar([asked], k=5, by=by).ids()[0]] for by in ("behaviour", "content")}
paths = dict(zip(films.items.ids(np.arange(len(films))), films.column("image"), strict=True))
titles = dict(zip(films.items.ids(np.arange(len(films))), films.column("title"), strict=True))
drawing, axes = plt.subplots(2, 6, figsize=(11, 5.4), layout="constrained")
for line, (by, ids) in zip(axes, rows.items(), strict=True):
    for axis, film in zip(line, ids, strict=True):
        if paths[film]:
            axis.imshow(Image.open(paths[film]))
        axis.set_title(str(titles[film])[:22], fontsize=8)
        axis.axis("off")
    line[0].text(-0.1, 0.5, by, rotation=90, va="center", transform=line[0].transAxes)
drawing.savefig(OUT / "movielens.png", dpi=120)

# %%
print(json.dumps({"films": len(films), "asked": len(rows), "small": SMALL}))
