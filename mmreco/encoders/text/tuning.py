"""Tuning a text model on the shop's own pairs: a title and a review of it, two products bought together.

Henderson et al., "Efficient natural language response suggestion for smart reply", 2017 (each text's partner against
the partners of all others in the batch), as sentence-transformers' MultipleNegativesRankingLoss has it, both ways.
Deviates: texts that say the same as a batch's other texts are neither sought nor shunned; the loop is our own, so that
nothing beyond torch is needed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import numpy as np
import torch
from torch import Tensor

from mmreco.arguments import require_kind
from mmreco.data.catalogue import Catalogue
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.encoders.text.encoder import TextEncoder
from mmreco.encoders.text.sources import load_model
from mmreco.errors import DataError
from mmreco.nn.chance import seeded_globally
from mmreco.nn.contrastive import pair_contrast
from mmreco.nn.fine_tuning import checked, descend, shuffled

__all__ = ["bought_together", "said_of", "tuned"]

_SCALE = 20.0  # multiplies the cosines

Pair = tuple[str, str]


def tuned(
    encoder: TextEncoder,
    pairs: Sequence[Pair],
    folder: str | Path,
    *,
    epochs: int = 3,
    batch_size: int = 32,
    rate: float = 1e-4,
    seed: int = 0,
    progress: bool = False,
) -> TextEncoder:
    """The encoder after it has learnt that the texts of each pair belong together; its model is saved in `folder`.

    The encoder given is left as it is.

    Parameters
    ----------
    encoder : TextEncoder of a transformer
    pairs : 2 or more
        E.g. of `said_of` and `bought_together`.
    folder : new or empty
        Of the tuned model, which `TextEncoder(folder)` loads again.
    epochs : 1 or more, optional
        Passes over the pairs.
    batch_size : 2 or more, optional
        Pairs together; each text is told from the others of its batch, so larger is better while memory lasts.
    rate : above 0, optional
        The optimiser's, at its highest.
    seed : 0 or more
        Of the order of pairs and of dropout.
    progress : whether to show a bar, optional

    Raises
    ------
    DataError
        There are fewer than 2 pairs that are not blank, an option is out of range, or `folder` holds something.
    FloatingPointError
        The loss is not finite.
    """
    checked(epochs=epochs, batch_size=batch_size, rate=rate, seed=seed)
    usable = [(one, other) for one, other in pairs if one.strip() and other.strip() and one != other]
    if len(usable) < 2:
        raise DataError(f"tuned: {len(usable)} of {len(pairs)} pairs are usable; expected 2 or more")
    top = Path(folder)
    if top.exists() and (not top.is_dir() or any(top.iterdir())):
        raise DataError(f"{top} holds something; choose a new or empty folder")
    encoder.vocabulary()  # says so where the model is no transformer
    device = torch.device(encoder.device)
    # in float32 on a GPU as well: steps of a tuned model are too small for bfloat16
    model = load_model(encoder.folder, str(device)).float()
    batches = shuffled(len(usable), epochs=epochs, batch_size=batch_size, seed=seed)
    model.train()
    with seeded_globally(seed):  # a transformer's own dropout draws from nothing else
        descend(
            {model: rate},
            batches,
            lambda rows: _loss(model, [usable[row] for row in rows.tolist()], encoder.max_length, device),
            what="pairs",
            shown=progress,
        )
    model.eval()
    model.save(str(top), create_model_card=False)
    return encoder.moved(top)


def said_of(catalogue: Catalogue, reviews: Reviews, *, column: str = "title", least: int = 20) -> list[Pair]:
    """Pairs of a review and the title of the item it is about.

    Parameters
    ----------
    catalogue : whose titles they are
    reviews : of the catalogue's items
    column : of the catalogue, optional
    least : characters, optional
        Shorter reviews ("great!") say nothing of the product and are left out. A Chinese character counts for three.

    Raises
    ------
    DataError
        The catalogue has no such column.
    """
    require_kind("said_of", catalogue, Catalogue)
    require_kind("said_of: reviews", reviews, Reviews)
    titles = _titles(catalogue, column)
    rows = catalogue.items.rows(reviews.items.array, missing="mark")[reviews.items_flat]  # (r,)
    return [
        (title, text)
        for row, text in zip(rows.tolist(), reviews.texts, strict=True)
        if row >= 0 and _says(text, least) and (title := titles[row])
    ]


def _says(text: str, least: int) -> bool:
    return len(text) >= least or len(text) + 2 * sum(east_asian_width(letter) in "WF" for letter in text) >= least


def bought_together(
    catalogue: Catalogue, events: Interactions, *, column: str = "title", most: int = 100_000, seed: int = 0
) -> list[Pair]:
    """The titles of products that a shopper chose one right after the other.

    Parameters
    ----------
    catalogue : whose titles they are
    events : over the catalogue's items
    column : of the catalogue, optional
    most : pairs, optional
        Of more a random part is given.
    seed : of that part

    Raises
    ------
    DataError
        The catalogue has no such column.
    """
    require_kind("bought_together", catalogue, Catalogue)
    require_kind("bought_together: events", events, Interactions)
    titles = _titles(catalogue, column)
    later = np.ones(len(events.items_flat), dtype=bool)
    later[events.starts[:-1][events.lengths > 0]] = False  # no pair ends with a shopper's first event
    after = np.flatnonzero(later)
    rows = catalogue.items.rows(events.items.array, missing="mark")[events.items_flat]
    pairs = np.unique(np.stack([rows[after - 1], rows[after]], axis=1), axis=0)  # (pairs, 2)
    titled = np.array([*(title is not None for title in titles), False])  # the last for items not in the catalogue
    pairs = pairs[(pairs[:, 0] != pairs[:, 1]) & titled[pairs].all(axis=1)]
    if len(pairs) > most:
        pairs = pairs[np.sort(np.random.default_rng(seed).permutation(len(pairs))[:most])]
    return [(str(titles[one]), str(titles[other])) for one, other in pairs.tolist()]


def _titles(catalogue: Catalogue, column: str) -> list[str | None]:
    if not catalogue.has(column):
        filled = ", ".join(name for name in catalogue.table.column_names if catalogue.has(name)) or "none"
        raise DataError(f"catalogue: no column {column!r} with a value in it; there are: {filled}")
    return catalogue.texts([column])


def _loss(model: Any, pairs: Sequence[Pair], limit: int | None, device: torch.device) -> Tensor:
    sides = []
    for side in zip(*pairs, strict=True):
        tokens = model.tokenizer(
            list(side), truncation=limit is not None, max_length=limit, padding=True, return_tensors="pt", verbose=False
        )
        features = {name: tensor.to(device) for name, tensor in tokens.items()}
        sides.append(model(features)["sentence_embedding"].float())  # (b, width)
    numbers: dict[str, int] = {}
    one, other = (
        torch.tensor([numbers.setdefault(text, len(numbers)) for text in side], device=device)
        for side in zip(*pairs, strict=True)
    )  # (b,) each
    same = (one[:, None] == one) | (other[:, None] == other) | (one[:, None] == other)  # (b, b)
    return pair_contrast(*sides, scale=_SCALE, same=same)
