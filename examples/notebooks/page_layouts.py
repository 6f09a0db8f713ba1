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
# # Page layouts by a VAE and a GAN
#
# A row of six places is more than its six best items: two alike take clicks from each other. `ListCVAE` and `ListGAN`
# learn from a log of shown rows which items stand well together. A simulator that knows every click's chance judges
# them, beside popularity, chance, and an oracle that sees the chances. No data set is needed.

# %%
import json
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from mmreco import IdMap
from mmreco.evaluation.simulator import slate_simulator
from mmreco.pages.layout import ListCVAE, ListGAN
from mmreco.pages.logs import PageLog

OUT = Path(os.environ.get("MMRECO_OUT", "."))
SMALL = os.environ.get("MMRECO_SMALL") == "1"

# %% [markdown]
# ## The table
#
# A log of shown rows: half by chance, half by a noisy ranker.

# %%
simulator = slate_simulator(likeness=0.9, seed=0)
rng = np.random.default_rng(1)
n_shown = 4_000 if SMALL else 20_000
users = rng.integers(len(simulator.tastes), size=n_shown)
wished = np.log(simulator.attraction(users)) * 0.9
wished[: n_shown // 2] = 0.0
slates = np.argsort(-(wished + rng.gumbel(size=wished.shape)), axis=1)[:, : simulator.width]
clicks = simulator.clicks(users, slates, rng)
items = IdMap.of([f"item-{row}" for row in range(len(simulator.items))])
log = PageLog(items, slates, clicks, np.full(slates.shape, np.nan), simulator.tastes[users])
print(log.width, "places,", n_shown, "rows,", int(clicks.sum()), "clicks")

# %% [markdown]
# ## Learn and propose

# %%
everybody = np.arange(len(simulator.tastes))
epochs = 3 if SMALL else 12
popular = np.argsort(-np.bincount(slates[clicks], minlength=len(items)))[: simulator.width]
proposed = {
    "by chance": np.stack([rng.permutation(len(items))[: simulator.width] for _ in everybody]),
    "popular": np.broadcast_to(popular, (len(everybody), simulator.width)),
    "VAE": ListCVAE(epochs=epochs).fit(log).slates(simulator.tastes),
    "GAN": ListGAN(epochs=epochs).fit(log).slates(simulator.tastes),
    "oracle": simulator.best(everybody),
}
table = pd.DataFrame(
    {
        name: {
            "clicks a row": simulator.chances(everybody, rows).sum(axis=1).mean(),
            "items in use": len(np.unique(rows)) / len(items),
        }
        for name, rows in proposed.items()
    }
).T
print(table.round(3))

# %% [markdown]
# ## The picture

# %%
drawing, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for axis, figure in zip(axes, table.columns, strict=True):
    axis.bar(table.index, table[figure], color=["#9aa5b1", "#9aa5b1", "#d1495b", "#d1495b", "#2e86ab"])
    axis.set_title(figure)
    axis.spines[["top", "right"]].set_visible(False)
drawing.savefig(OUT / "page_layouts.png", dpi=120)

# %%
print(json.dumps({"clicks": table["clicks a row"].round(3).to_dict(), "small": SMALL}))
