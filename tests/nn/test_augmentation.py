import pytest
import torch
from torch import Tensor

from mmreco.nn.augmentation import COLOUR, FORM, PRODUCT, Change, view

STILL = Change(side=(1, 1), turn=0, hue=0, light=0, contrast=(1, 1), colourfulness=(1, 1))


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def red_on_white(b: int = 64, side: int = 40) -> Tensor:
    pictures = torch.full((b, 3, side, side), 255, dtype=torch.uint8)
    pictures[:, :, 10:30, 10:30] = torch.tensor([200, 20, 30], dtype=torch.uint8).view(1, 3, 1, 1)
    return pictures


def middle(views: Tensor) -> Tensor:
    side = views.shape[-1]
    return views[:, :, side // 2 - 2 : side // 2 + 2, side // 2 - 2 : side // 2 + 2].mean(dim=(2, 3))  # (b, 3)


@pytest.mark.parametrize("change", [PRODUCT, FORM, COLOUR])
def test_views_have_the_size_asked_for_and_keep_the_range(change: Change) -> None:
    views = view(red_on_white(), 32, change, generator=chance())
    assert (views.shape, views.dtype) == ((64, 3, 32, 32), torch.float32)
    assert views.min() >= -1
    assert views.max() <= 1


def test_the_same_chance_gives_the_same_views_and_another_others() -> None:
    one, again, other = (view(red_on_white(), 32, PRODUCT, generator=chance(s)) for s in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.allclose(one, other)
    assert not torch.allclose(one[0], one[1])  # nor are two pictures of a batch changed alike


def test_nothing_changes_but_the_mirror_and_the_stretch_when_nothing_may() -> None:
    pictures = red_on_white()
    views = view(pictures, 40, STILL, generator=chance())
    torch.testing.assert_close(middle(views), middle(pictures.float() / 127.5 - 1), atol=1e-4, rtol=0)


def test_a_product_stays_red_and_a_form_does_not() -> None:
    for change, share in ((PRODUCT, (1.0, 1.0)), (FORM, (0.0, 0.6))):
        seen = middle(view(red_on_white(512), 32, change, generator=chance()))
        red = (seen[:, 0] > seen[:, 1] + 0.3) & (seen[:, 0] > seen[:, 2] + 0.3)
        assert share[0] <= red.float().mean() <= share[1]


def test_a_turn_of_the_hue_goes_all_the_way_round() -> None:
    wheel = Change(side=(1, 1), turn=0, hue=180, light=0, contrast=(1, 1), colourfulness=(1, 1))
    seen = middle(view(red_on_white(512), 32, wheel, generator=chance()))
    assert {0, 1, 2} == set(seen.argmax(dim=1).tolist())  # as often green or blue as red


def test_a_view_of_the_colour_shows_a_piece() -> None:
    halves = torch.zeros(256, 3, 40, 40, dtype=torch.uint8)
    halves[:, :, :, 20:] = 255
    spread = {
        change: view(halves, 32, change, generator=chance()).mean(dim=(1, 2, 3)).std().item()
        for change in (PRODUCT, COLOUR)
    }
    assert spread[COLOUR] > 2 * spread[PRODUCT]  # a piece is often of one half alone
