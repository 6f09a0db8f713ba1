"""What the item tower reads of a catalogue, and where it places the items."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from mmreco.arrays import F32, I64
from mmreco.data.attributes import Attributes
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.errors import IncompatibleError
from mmreco.nn.towers import ItemContent, Towers

__all__ = ["item_content", "newcomers", "placed"]

_CHUNK = 65_536  # items whose vectors are made at a time


def item_content(
    items: IdMap,
    identity: I64,
    content: Mapping[str, Embeddings],
    attributes: Attributes | None,
    towers: Towers,
    *,
    learn: bool = False,
) -> ItemContent:
    """What the item tower reads of `items`, on its device; a modality that is not given is missing everywhere.

    `learn` says whether these items show the tower where the middle of each modality lies.
    """
    device = towers.sharpness.device
    contents: dict[str, tuple[Tensor, Tensor]] = {}
    for name, width in towers.items.widths.items():
        values, there = (
            content[name].aligned(items)
            if name in content
            else (np.zeros((len(items), width), dtype=np.float32), np.zeros(len(items), dtype=np.bool_))
        )
        contents[name] = torch.from_numpy(values).to(device), torch.from_numpy(there).to(device)
    if learn:
        towers.items.centre(contents)
    contents = {name: (towers.items.centred(name, values), there) for name, (values, there) in contents.items()}
    padding = towers.items.facts.num_embeddings - 1
    bags = np.full((len(items), 1), padding, dtype=np.int32)
    if attributes is not None:
        matched = attributes.aligned(items)
        lengths = np.diff(matched.starts)
        bags = np.full((len(items), max(1, int(lengths.max(initial=0)))), padding, dtype=np.int32)
        bags[np.arange(bags.shape[1]) < lengths[:, None]] = matched.flat
    return ItemContent(torch.from_numpy(identity).to(device), contents, torch.from_numpy(bags).to(device), padding)


def newcomers(
    content: Mapping[str, Embeddings], attributes: Attributes | None, towers: Towers, names: tuple[str, ...]
) -> tuple[IdMap, ItemContent]:
    """Every item that has some of `content` or `attributes`, and what the towers read of it; none has an id vector.

    Raises
    ------
    IncompatibleError
        A modality, its width or the attributes' names are not those the towers were trained with.
    """
    widths = towers.items.widths
    for name, vectors in content.items():
        if widths.get(name) != vectors.dim:
            raise IncompatibleError(f"place: {name!r} of width {vectors.dim}; fitted on {widths}")
    if attributes is not None and attributes.names != names:
        raise IncompatibleError(
            f"place: {len(attributes.names)} attribute names that are not the {len(names)} fitted "
            "on; describe new items with Attributes.describe"
        )
    listed = [vectors.ids.array.to_pylist() for vectors in content.values()]
    if attributes is not None:
        listed.append(attributes.items.take(np.flatnonzero(np.diff(attributes.starts))).array.to_pylist())
    items = IdMap.of(list(dict.fromkeys(i for ids in listed for i in ids)))
    return items, item_content(items, np.full(len(items), -1), content, attributes, towers)


def placed(towers: Towers, known: ItemContent) -> F32:
    """The direction of each item, shape `(n, dim)`."""
    towers.eval()
    vectors = np.zeros((len(known), towers.items.dim), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(known), _CHUNK):
            rows = torch.arange(start, min(start + _CHUNK, len(known)), device=known.identity.device)
            vectors[start : start + len(rows)] = towers.item_places(known.of(rows)).cpu().numpy()
    return vectors
