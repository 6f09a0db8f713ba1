from typing import get_args

import pytest
import torch

from mmreco.nn.fusion import Fusion, ItemTower


def tower(fusion="gated", *, n_ids=6, widths=None, n_attributes=3):
    torch.manual_seed(0)
    return ItemTower(
        8,
        n_ids=n_ids,
        widths={"image": 5, "text": 4} if widths is None else widths,
        n_attributes=n_attributes,
        fusion=fusion,
    ).eval()


def known(rows, *, text=True, image=True):
    n = len(rows)
    torch.manual_seed(1)
    contents = {
        "text": (torch.randn(n, 4), torch.full((n,), text)),
        "image": (torch.randn(n, 5), torch.full((n,), image)),
    }
    return torch.tensor(rows), contents, torch.tensor([[0, 3], [1, 2], [3, 3]])[:n]


@pytest.mark.parametrize("fusion", get_args(Fusion))
def test_what_is_missing_does_not_matter(fusion):
    """The values behind a missing modality, or the id of an item without one, change nothing."""
    module = tower(fusion)
    rows, contents, attributes = known([0, 1, -1], image=False)
    before = module(rows, contents, attributes)
    contents["image"] = (torch.full((3, 5), 9.0), contents["image"][1])
    with torch.no_grad():
        module.identity.weight[2:] = 9.0
    torch.testing.assert_close(module(rows, contents, attributes), before)


@pytest.mark.parametrize("fusion", get_args(Fusion))
def test_what_is_there_matters(fusion):
    module = tower(fusion)
    rows, contents, attributes = known([0, 1, 2])
    if fusion == "attention":
        torch.nn.init.normal_(module.join.question)
    before = module(rows, contents, attributes)
    for name, width in (("text", 4), ("image", 5)):
        changed = {**contents, name: (torch.full((3, width), 2.0), contents[name][1])}
        assert (module(rows, changed, attributes) - before).abs().max() > 0.1
    assert (module(rows - 1, contents, attributes) - before).abs().max() > 1e-4
    assert (module(rows, contents, attributes.flip(0)) - before).abs().max() > 1e-4


@pytest.mark.parametrize("fusion", get_args(Fusion))
def test_an_item_of_which_nothing_is_known_lies_nowhere(fusion):
    rows, contents, _ = known([-1], text=False, image=False)
    module = tower(fusion)
    torch.nn.init.ones_(module.norm.bias)  # what training makes of it
    assert (module(rows, contents, torch.tensor([[3, 3]])) == 0).all()


def test_gates_start_at_one():
    module = tower(n_attributes=0)
    rows, contents, attributes = known([0, 1, 2])
    total = module.identity(rows) + sum(module.contents[name](values) for name, (values, _) in contents.items())
    torch.testing.assert_close(module(rows, contents, attributes), module.norm(total))


def test_a_tower_of_nothing_answers():
    module = tower(n_ids=0, widths={}, n_attributes=0)
    assert module(torch.tensor([-1, -1]), {}, torch.zeros(2, 1, dtype=torch.long)).shape == (2, 8)


def test_the_vectors_of_attributes_are_added_up():
    module = tower(n_ids=0, widths={}, n_attributes=3)
    rows, vectors = torch.tensor([-1]), module.facts.weight.detach()
    torch.testing.assert_close(module(rows, {}, torch.tensor([[1, 2, 3]])), module.norm(vectors[1] + vectors[2])[None])
