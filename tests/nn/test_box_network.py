"""BoxNetwork: shapes, what its loss is by hand, and that it learns where a bright block is."""

import numpy as np
import pytest
import torch

from mmreco.nn.box_network import BoxNetwork, box_loss


def test_a_place_for_each_eight_pixels() -> None:
    torch.manual_seed(0)
    network = BoxNetwork(width=4).eval()
    logits, boxes = network(torch.zeros(2, 3, 64, 96))
    assert logits.shape == (2, 8, 12)
    assert boxes.shape == (2, 4, 8, 12)
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    x, y = boxes[0, ::2].mean(dim=0), boxes[0, 1::2].mean(dim=0)
    assert (x[:, 1:] > x[:, :-1]).float().mean() > 0.9  # boxes lie where their places are
    assert (y[1:] > y[:-1]).float().mean() > 0.9


def test_the_loss_by_hand() -> None:
    inside = torch.tensor([[[True, False]]])  # one place of two
    wanted = torch.tensor([0.0, 0.0, 10.0, 10.0]).view(1, 4, 1, 1).expand(1, 4, 1, 2)
    found = torch.tensor([0.0, 0.0, 10.0, 5.0]).view(1, 4, 1, 1).expand(1, 4, 1, 2)
    logits = torch.tensor([[[0.0, -2.0]]])
    low = 1 / (1 + np.exp(2))
    focal = 0.0 + low**2 * -np.log(1 - low)  # the first is as sure (0.5) as its box fits (0.5)
    assert box_loss(logits, found, wanted, inside).item() == pytest.approx(focal + 1.5 * 0.5, rel=1e-5)


def test_boxes_apart_are_worse_the_further() -> None:
    inside, logits = torch.ones(1, 1, 1, dtype=torch.bool), torch.zeros(1, 1, 1)
    wanted = torch.tensor([0.0, 0.0, 10.0, 10.0]).view(1, 4, 1, 1)
    near, far = (torch.tensor([x, 0.0, x + 10, 10.0]).view(1, 4, 1, 1) for x in (15.0, 60.0))
    assert box_loss(logits, near, wanted, inside) < box_loss(logits, far, wanted, inside)


def test_nothing_to_find() -> None:
    logits = torch.full((1, 2, 2), -20.0)
    boxes = torch.ones(1, 4, 2, 2)
    assert box_loss(logits, boxes, boxes, torch.zeros(1, 2, 2, dtype=torch.bool)).item() == pytest.approx(0, abs=1e-6)
