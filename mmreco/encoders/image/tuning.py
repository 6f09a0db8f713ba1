"""Tuning a pretrained picture network on the shop's own: each picture must find what is written about its product.

Radford et al., "Learning transferable visual models from natural language supervision" (CLIP), 2021: each picture's
text against the texts of all others in the batch, both ways. Deviates: texts come as vectors that stay as they are, and
meet the picture's vector itself, not a projection of it, so that cosines of pictures follow what is written. The layer
that carries texts over is first fitted to the network as it is, so that the first steps do not spoil it (Kumar et al.,
"Fine-tuning can distort pretrained features and underperform out-of-distribution", 2022), and every vector is held near
the one the network gave before (Li and Hoiem, "Learning without forgetting", 2016; here by the cosine). Weights between
the old and the tuned (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022) were tried in its place, and
kept less of what the network knew (see docs/log.md).
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmreco.arguments import require_kind
from mmreco.arrays import I64
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.encoders.image.pictures import read_pictures
from mmreco.errors import DataError
from mmreco.nn.augmentation import Change, view
from mmreco.nn.contrastive import alike, pair_contrast
from mmreco.nn.fine_tuning import checked, descend, shuffled

__all__ = ["tuned"]

_SCALE = 20.0  # multiplies the cosines
_HEAD = 10.0  # how much faster the layer that carries texts over learns
_HOLD = 3.0  # how much a vector's distance from what it was counts against the texts
_RIDGE = 1.0  # of the texts' mean variance
# Crops and mirror sides only: what a colour is, a shop cares for, and the network knows.
_CROP = Change(side=(0.8, 1.0), turn=0, hue=0, light=0, contrast=(1, 1), colourfulness=(1, 1))


def tuned(
    encoder: ImageEncoder,
    catalogue: Catalogue,
    text: Embeddings,
    *,
    epochs: int = 3,
    batch_size: int = 32,
    rate: float = 4e-4,
    seed: int = 0,
    progress: bool = False,
) -> ImageEncoder:
    """The encoder after it has learnt what is written about the shop's pictures.

    The encoder given is left as it is; `save` the one returned. Statistics of normalising layers stand still,
    nothing is dropped out, and no colour is changed: pictures are seen in crops and from both sides.

    Parameters
    ----------
    encoder : ImageEncoder
        Of pretrained weights, by any source, or one that `ImageEncoder.fit` made.
    catalogue : with pictures in `image`
        Those that cannot be read are left out, and counted in a warning of the log.
    text : vectors of what is written about the items
        By any encoder, e.g. a `LexicalEncoder` of the titles. Items without one, or with zeros, are left out.
    epochs : 1 or more, optional
        Passes over the pictures.
    batch_size : 2 or more, optional
        Pictures together; each text is told from the others of its batch, so larger is better while memory lasts.
    rate : above 0, optional
        The optimiser's, at its highest.
    seed : 0 or more
        Of order and crops. The same seed gives the same weights, on one kind of CPU and number of threads. That number
        is chosen by measurement unless `OMP_NUM_THREADS` is set.
    progress : whether to show a bar, optional

    Raises
    ------
    DataError
        Fewer than two pictures with a text can be read, `text` is of none of the items, or an option is out of range.
    FloatingPointError
        The loss is not finite.

    Notes
    -----
    Pictures are held in memory as `ImageEncoder.fit` does, of more than fit in 2 GiB a random part. On a GPU as well it
    is done in float32. An interruption (Ctrl-C) ends it with KeyboardInterrupt and leaves nothing behind.
    """
    checked(epochs=epochs, batch_size=batch_size, rate=rate, seed=seed)
    vectors, known = text.aligned(require_kind("tuned", catalogue, Catalogue).items)
    described = np.flatnonzero(known & vectors.any(axis=1))
    if not len(described):
        raise DataError(
            f"text: vectors of {len(text)} ids, none of them an item with a text; expected ids of the catalogue"
        )
    network = encoder.copied()
    read = read_pictures(catalogue.take(described), network.preprocessing, seed=seed, shown=progress)
    if len(read.rows) < 2:
        raise DataError(f"catalogue: {len(read.rows)} usable pictures with a text; expected 2 or more to tune on")
    pictures, rows = read.larger, read.rows
    texts = F.normalize(torch.from_numpy(vectors[described[rows]]), dim=1)  # (n, d)
    device, side = torch.device(encoder.device), network.preprocessing.size
    vectors_before = torch.from_numpy(_seen(encoder, pictures, side))  # (n, dim)
    carried = _carried(texts, vectors_before).to(device)
    pictures, texts, vectors_before = pictures.to(device), texts.to(device), vectors_before.to(device)
    network.module.requires_grad_(True)  # it stays in eval(): a batch of a few products is no measure of normality
    generator = torch.Generator().manual_seed(seed)

    def loss_of(batch: I64) -> Tensor:
        at = torch.from_numpy(batch).to(device)
        crops = (view(pictures[at], side, _CROP, generator=generator) + 1) / 2  # (b, 3, side, side)
        vectors_now = network.module(network.preprocessing.scaled(crops))  # (b, dim)
        away = 1 - F.cosine_similarity(vectors_now, vectors_before[at])  # (b,)
        return pair_contrast(vectors_now, carried(texts[at]), scale=_SCALE, same=alike(texts[at])) + _HOLD * away.mean()

    batches = shuffled(len(rows), epochs=epochs, batch_size=batch_size, seed=seed)
    descend({network.module: rate, carried: _HEAD * rate}, batches, loss_of, what="pictures", shown=progress)
    return encoder.renewed(network)


def _seen(encoder: ImageEncoder, pictures: Tensor, side: int) -> np.ndarray:
    """What the encoder makes of the whole pictures now, `(n, dim)`."""
    whole = (
        F.interpolate(part.float(), size=(side, side), mode="bilinear", antialias=True).round().to(torch.uint8)
        for part in torch.split(pictures, 64)
    )
    return np.concatenate([encoder.encode_prepared(list(part)) for part in whole])


def _carried(texts: Tensor, vectors_before: Tensor) -> nn.Linear:
    """The layer that brings texts `(n, d)` nearest to the pictures' vectors `(n, dim)`, by ridge regression."""
    centre, middle = texts.mean(dim=0), vectors_before.mean(dim=0)
    spread = (texts - centre).T @ (texts - centre)  # (d, d)
    ridge = _RIDGE * spread.diagonal().mean().clamp(min=1e-6) * torch.eye(len(spread))
    weight = torch.linalg.solve(spread + ridge, (texts - centre).T @ (vectors_before - middle))  # (d, dim)
    # draws nothing from anybody's chance
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, *weight.shape)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        layer.weight.copy_(weight.T)
        layer.bias.copy_(middle - centre @ weight)
    return layer
