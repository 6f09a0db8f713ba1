"""How `Detector.fit` learns: scenes are made up as they are needed, and no two are alike."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mmreco.arrays import F32, Bool
from mmreco.detection.scenes import Scenes
from mmreco.nn.box_network import STRIDE, BoxNetwork, box_loss
from mmreco.nn.chance import seeded_globally
from mmreco.nn.training_loop import train
from mmreco.progress import progress

__all__ = ["learn", "shown", "targets"]

_BATCH = 8
_RATE = 2e-3
_DECAY = 1e-2
_RISE = 20  # steps in which the rate rises; it falls in a line from a fifth of the way on
_MEMORY = 0.99  # of the averaged weights
_PASS = 100  # steps
_MIDDLE = 0.5  # of a box: places within are taught to know it


def learn(scenes: Scenes, *, width: int, n_scenes: int, seed: int, device: torch.device, bar: bool) -> BoxNetwork:
    """The network that so many scenes teach.

    Raises
    ------
    FloatingPointError
        The loss is not finite.
    """
    with seeded_globally(seed):
        network = BoxNetwork(width=width)
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    steps = -(-n_scenes // _BATCH)
    places = scenes.side // STRIDE
    counted = progress(range(steps), total=steps, description="learning to find products", shown=bar)
    left = iter(counted)

    def batches(number: int) -> Iterator[Tensor]:
        rng = np.random.default_rng([seed, number])
        for step in range(number * _PASS, min(steps, (number + 1) * _PASS)):
            next(left)
            for group in optimiser.param_groups:
                group["lr"] = _RATE * min(1.0, (step + 1) / _RISE, 1.25 * (1 - step / steps))
            batch = [scenes.draw(rng) for _ in range(_BATCH)]
            pictures = torch.stack([shown(np.asarray(scene.picture)) for scene in batch]).to(device)
            made = [targets(scene.boxes, places) for scene in batch]
            wanted, inside = (torch.from_numpy(np.stack(part)).to(device) for part in zip(*made, strict=True))
            logits, boxes = network(pictures.contiguous(memory_format=torch.channels_last))
            yield box_loss(logits, boxes, wanted, inside)

    train(
        network,
        optimiser,
        batches=batches,
        validate=None,
        epochs=-(-steps // _PASS),
        patience=None,
        seed=seed,
        memory=_MEMORY,
    )
    next(left, None)  # closes the bar
    return network


def shown(pixels: np.ndarray) -> Tensor:
    """A picture `(h, w, 3)` of uint8 as the network sees it: `(3, h, w)` float32, -1 (black) to 1 (white)."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 127.5 - 1


def targets(boxes: F32, places: int) -> tuple[F32, Bool]:
    """What each place of the map is to know: its box `(4, g, g)` in pixels, and whether it lies in one, `(g, g)`.

    Of boxes that overlap the smaller counts. Every box has one place at least.

    Parameters
    ----------
    boxes : shape `(m, 4)`, pixels
    places : `g`
    """
    wanted = np.zeros((4, places, places), dtype=np.float32)
    inside = np.zeros((places, places), dtype=np.bool_)
    middles = (np.arange(places) + 0.5) * STRIDE
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for x0, y0, x1, y1 in boxes[np.argsort(-areas, kind="stable")]:
        x, y, w, h = (x0 + x1) / 2, (y0 + y1) / 2, _MIDDLE * (x1 - x0) / 2, _MIDDLE * (y1 - y0) / 2
        columns, rows = np.abs(middles - x) <= w, np.abs(middles - y) <= h
        columns[np.abs(middles - x).argmin()] = rows[np.abs(middles - y).argmin()] = True
        at = np.ix_(rows, columns)
        inside[at] = True
        for side, value in enumerate((x0, y0, x1, y1)):
            wanted[side][at] = value
    return wanted, inside
