"""A linear layer behind a picture network, learnt from the shop's own: photos of its products, and what is written.

Radford et al., "Learning transferable visual models from natural language supervision" (CLIP), 2021: each photo must
find its product among all others, and each picture its text among the batch's. Deviates: the network stays as it is,
and is asked once for a few views of every picture, so that learning takes seconds; texts come as vectors that stay as
they are. Photos and the shop's pictures go through the same layer, so that new products need no photo.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmreco.arguments import require_kind
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.encoders.image.decoding import PictureContent
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.encoders.image.networks import PROJECTED, with_projection
from mmreco.encoders.image.views import views_of
from mmreco.errors import DataError
from mmreco.nn.augmentation import Change
from mmreco.nn.chance import seeded_globally
from mmreco.nn.contrastive import alike, pair_contrast
from mmreco.nn.fine_tuning import descend

__all__ = ["projected"]

_SCALE = 16.0  # multiplies the cosines
_RATE = 2e-3
_BATCH = 256
_STEPS = 200  # at least
_EPOCHS = 20
_SHOWN = 1_024  # products a photo is told from in a step
_PHOTO_VIEWS, _SHOP_VIEWS, _WRITTEN_VIEWS = 3, 9, 3  # of the shop's pictures many, since there is one of each
# A phone's distance, angle and light; hardly another colour, because a red apple is not a green one.
_TAKEN = Change(side=(0.6, 1.05), turn=15, hue=4, light=0.12, contrast=(0.75, 1.25), colourfulness=(0.75, 1.25))
# Crops and mirror sides only: what a text says of a colour stays true.
_CROP = Change(side=(0.8, 1.0), turn=0, hue=0, light=0, contrast=(1, 1), colourfulness=(1, 1))


def projected(
    encoder: ImageEncoder,
    catalogue: Catalogue,
    *,
    photos: Sequence[tuple[str, PictureContent]] | None = None,
    text: Embeddings | None = None,
    dim: int = 256,
    seed: int = 0,
    progress: bool = False,
) -> ImageEncoder:
    """The encoder with a linear layer that brings photos to their products, pictures to their texts, or both.

    The encoder given is left as it is; `save` the one returned. The network below the layer is not changed: `tuned`
    does that, and takes many passes through it.

    Parameters
    ----------
    encoder : ImageEncoder
        Of pretrained weights, by any source.
    catalogue : with pictures in `image`
        Pictures that cannot be read are left out, and counted in a warning of the log; photos as well.
    photos : pairs of an item's id and a photo of it, optional
        Several of a product, where there are. Products without a photo gain from those that have one.
    text : vectors of what is written about the items, optional
        By any encoder. Vectors are then as wide as those, and near them.
    dim : 2 to 4096, optional
        Width of a vector, where there is no `text`.
    seed : 0 or more
        The same seed gives the same weights, on one kind of processor and number of threads.
    progress : whether to show bars, optional

    Raises
    ------
    DataError
        Neither photos nor text are given, or they are of fewer than two items with a readable picture; the encoder has
        such a layer already; or an option is out of range.
    UnknownIdError
        A photo is of an item that is not in the catalogue.
    FloatingPointError
        The loss is not finite.
    """
    if not 2 <= dim <= 4_096 or seed < 0:
        raise DataError(f"projected: dim={dim}, seed={seed}; expected 2 to 4096, and 0 or more")
    if photos is None and text is None:
        raise DataError(
            "projected: nothing to learn from; give photos=[(item id, photo), ...], text=Embeddings or both"
        )
    if PROJECTED in encoder.name:
        raise DataError(f"projected: {encoder.name} has such a layer already; give the encoder it was made of")
    require_kind("projected", catalogue, Catalogue)
    lessons: list[_Photos | _Texts] = []
    if photos is not None:
        lessons.append(_photos(encoder, catalogue, photos, seed, progress))
    if text is not None:
        lessons.append(_texts(encoder, catalogue, text, seed, progress))
        dim = text.dim
    seen = torch.cat([lesson.views[0] for lesson in lessons])  # (n, encoder.dim)
    mean, spread = seen.mean(dim=0), seen.std(dim=0) + 1e-6
    lessons = [lesson.standardised(mean, spread) for lesson in lessons]
    with seeded_globally(seed):
        layer = nn.Linear(encoder.dim, dim)
    draw = torch.Generator().manual_seed(seed)
    steps = max(_STEPS, _EPOCHS * max(lesson.views.shape[1] for lesson in lessons) // _BATCH)
    descend(
        {layer: _RATE},
        [np.empty(0, dtype=np.int64)] * steps,
        lambda _: torch.stack([lesson.loss(layer, draw) for lesson in lessons]).sum(),
        what="pictures",
        shown=progress,
    )
    network = with_projection(encoder.copied(), encoder.dim, dim)
    with torch.no_grad():
        network.module.linear.weight.copy_(layer.weight / spread)  # type: ignore[operator, union-attr]
        network.module.linear.bias.copy_(layer.bias - layer.weight @ (mean / spread))  # type: ignore[operator, union-attr]
    return encoder.renewed(network)


@dataclass(frozen=True, eq=False)
class _Photos:
    """Photos and the pictures of the products they are of.

    Parameters
    ----------
    views : of photos, shape `(v, n, d)`
    products : views of the shop's pictures, shape `(w, m, d)`
    of : the product of each photo, shape `(n,)`
    """

    views: Tensor
    products: Tensor
    of: Tensor

    def standardised(self, mean: Tensor, spread: Tensor) -> "_Photos":
        return _Photos((self.views - mean) / spread, (self.products - mean) / spread, self.of)

    def loss(self, layer: nn.Linear, draw: torch.Generator) -> Tensor:
        """How badly some photos find their product among the products shown, a scalar."""
        rows, asked = _some(self.views, _BATCH, draw)
        m = self.products.shape[1]
        shown = torch.arange(m)
        if m > _SHOWN:
            shown = torch.unique(torch.cat([self.of[rows], torch.randperm(m, generator=draw)[:_SHOWN]]))
        light = torch.randint(len(self.products), (len(shown),), generator=draw)
        target = torch.searchsorted(shown, self.of[rows])
        left, right = F.normalize(layer(asked), dim=1), F.normalize(layer(self.products[light, shown]), dim=1)
        return F.cross_entropy(left @ right.T * _SCALE, target)


@dataclass(frozen=True, eq=False)
class _Texts:
    """The shop's pictures and what is written about them.

    Parameters
    ----------
    views : shape `(v, n, d)`
    texts : shape `(n, t)`
    """

    views: Tensor
    texts: Tensor

    def standardised(self, mean: Tensor, spread: Tensor) -> "_Texts":
        return _Texts((self.views - mean) / spread, self.texts)

    def loss(self, layer: nn.Linear, draw: torch.Generator) -> Tensor:
        """How badly some pictures find their text among the others', and texts their picture, a scalar."""
        rows, asked = _some(self.views, _BATCH, draw)
        texts = self.texts[rows]
        return pair_contrast(layer(asked), texts, scale=_SCALE, same=alike(texts))


def _some(views: Tensor, most: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Some rows, each once, and one view of each, `(b, d)`."""
    rows = torch.randperm(views.shape[1], generator=draw)[:most]
    return rows, views[torch.randint(len(views), (len(rows),), generator=draw), rows]


def _photos(
    encoder: ImageEncoder, catalogue: Catalogue, photos: Sequence[tuple[str, PictureContent]], seed: int, shown: bool
) -> _Photos:
    wanted = catalogue.items.rows([item for item, _ in photos])
    paths = catalogue.images()
    rows = np.array([row for row in np.unique(wanted) if paths[row] is not None], dtype=np.int64)
    products, read = views_of(
        encoder, [paths[row] or "" for row in rows], _TAKEN, _SHOP_VIEWS, seed=seed, what="pictures", shown=shown
    )
    rows = rows[read]
    usable = np.flatnonzero(np.isin(wanted, rows)).tolist()
    views, taken = views_of(
        encoder, [photos[at][1] for at in usable], _TAKEN, _PHOTO_VIEWS, seed=seed, what="photos", shown=shown
    )
    of = np.searchsorted(rows, wanted[[usable[at] for at in taken]])
    if len(np.unique(of)) < 2:
        raise DataError(
            f"photos: {len(taken)} of {len(photos)} can be used, of {len(np.unique(of))} products with a readable "
            "picture; expected two products or more"
        )
    return _Photos(views, products, torch.from_numpy(of))


def _texts(encoder: ImageEncoder, catalogue: Catalogue, text: Embeddings, seed: int, shown: bool) -> _Texts:
    vectors, known = text.aligned(catalogue.items)
    paths = catalogue.images()
    rows = np.array(
        [row for row in np.flatnonzero(known & vectors.any(axis=1)) if paths[row] is not None], dtype=np.int64
    )
    views, read = views_of(
        encoder, [paths[row] or "" for row in rows], _CROP, _WRITTEN_VIEWS, seed=seed, what="pictures", shown=shown
    )
    if len(read) < 2:
        raise DataError(f"text: {len(read)} items with a text and a readable picture; expected 2 or more")
    return _Texts(views, F.normalize(torch.from_numpy(vectors[rows[read]]), dim=1))
