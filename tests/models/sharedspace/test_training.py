import numpy as np
import pytest
import torch

from mmreco.data.attributes import Attributes
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.encoders.baskets import Baskets
from mmreco.models.sharedspace import SharedSpace
from mmreco.models.sharedspace.content import item_content
from mmreco.models.sharedspace.training import batch_loss, id_dropout, optimiser
from mmreco.nn.batching import windows
from mmreco.nn.negatives import Negatives


def begun(widths, facts):
    """The towers of a space of five items before any step."""
    space = SharedSpace(dim=8)
    space._widths, space.vocabulary_, space.event_names_ = widths, facts.take([]), ("event",)
    return space._network(5)


@pytest.fixture(scope="module")
def given():
    """Towers as they begin, five items of which the last has no attribute, and what happened to them."""
    items = IdMap.of(list("abcde"))
    log = Interactions.from_histories([list("abc"), list("abde"), list("ba")], items=items)
    facts = Attributes.from_lists(items, [["red"], ["blue"], ["red"], ["green"], []])
    torch.manual_seed(0)
    towers = begun({}, facts).eval()
    return towers, item_content(items, np.arange(5), {}, facts, towers), log


def test_an_id_is_hidden_the_less_the_more_events_have_taught_it(given):
    _, known, log = given
    assert log.counts().tolist() == [3, 3, 1, 1, 1]
    assert id_dropout(known, log.counts()).tolist() == pytest.approx(
        [np.exp(-3 / 12)] * 2 + [np.exp(-1 / 12)] * 2 + [0]
    )


def test_no_id_is_hidden_where_nothing_else_is_known(given):
    towers, known, log = given
    bare = item_content(log.items, np.arange(5), {}, None, towers)
    assert id_dropout(bare, log.counts()) is None
    assert id_dropout(known, log.counts())[4] == 0


def test_a_hidden_id_teaches_as_if_the_item_were_new(given):
    towers, known, log = given

    def loss(known, share):
        hidden = None if share is None else torch.full((5,), share)
        negatives = Negatives(torch.arange(5), 8)
        return batch_loss(
            towers, known, Baskets.of(log), windows(log.starts, 10), negatives, hidden, np.random.default_rng(0)
        ).item()

    assert loss(known, 0.0) == loss(known, None)
    assert loss(known, 1.0) == pytest.approx(loss(known.without_ids(), None))
    assert abs(loss(known, 1.0) - loss(known, None)) > 1e-3


def test_attributes_that_bring_nothing_fade_and_nothing_else_does():
    torch.manual_seed(0)
    towers = begun({"text": 3}, Attributes.from_lists(IdMap.of(["a"]), [list("wxyz")]))
    before = {name: weight.detach().clone() for name, weight in towers.named_parameters()}
    step = optimiser(towers, 0.1)
    for weight in towers.parameters():
        weight.grad = torch.zeros_like(weight)
    step.step()
    for name, weight in towers.named_parameters():
        kept = 0.98 if name == "items.facts.weight" else 1.0
        torch.testing.assert_close(weight.detach(), kept * before[name])
