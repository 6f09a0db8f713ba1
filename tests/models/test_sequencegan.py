import numpy as np
import pytest
import torch

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.models.sequencegan import SequenceGAN, returns
from mmreco.models.training import Training

N = 12
ITEMS = IdMap.of([f"i{row}" for row in range(N)])
ASKED = Interactions.from_histories([["i3", "i4", "i5"], [], ["i7"]], items=ITEMS)


def chain(n_users: int = 120, lengths: tuple[int, ...] = (4, 6)) -> Interactions:
    """Whoever took item `i` takes item `i + 1`; where a user begins says nothing."""
    starts = np.random.default_rng(0).integers(N, size=n_users)
    histories = [[f"i{(u + s) % N}" for s in range(lengths[n % len(lengths)])] for n, u in enumerate(starts)]
    return Interactions.from_histories(histories, items=ITEMS)


@pytest.fixture(scope="module")
def taught() -> SequenceGAN:
    return SequenceGAN(dim=16, training=Training(epochs=25, learning_rate=0.01), rounds=3).fit(
        Dataset.from_interactions(chain())
    )


def links(log: Interactions) -> float:
    """Share of steps that go on along the chain."""
    steps = np.concatenate([np.diff(log.history(u)) % N for u in range(len(log))])
    return float((steps == 1).mean())


def test_what_is_written_goes_on_along_the_chain(taught: SequenceGAN) -> None:
    written = taught.generate(200)
    assert links(written) > 0.9
    assert set(written.lengths.tolist()) == {4, 6}  # lengths of the log
    assert written.lengths.mean() == pytest.approx(5, abs=0.3)
    assert len(set(written.items_flat[written.starts[:-1]].tolist())) == N  # it begins anywhere, as users do


def test_an_extension_begins_with_what_was_known(taught: SequenceGAN) -> None:
    longer = taught.extend(ASKED, 4)
    assert longer.users == ASKED.users
    assert longer.lengths.tolist() == [7, 4, 5]
    assert longer.history(0)[:3].tolist() == [3, 4, 5]
    assert longer.history(2)[:1].tolist() == [7]
    assert links(longer) > 0.8


def test_nobody_is_given_an_item_twice(taught: SequenceGAN) -> None:
    assert not taught.repeats_
    longer = taught.extend(ASKED, 40)
    assert longer.lengths.tolist() == [N, N, N]  # there is no more
    assert all(len(set(longer.history(u).tolist())) == N for u in range(3))


def test_items_come_again_where_the_log_has_them_twice() -> None:
    log = Interactions.from_histories([["i1", "i1", "i1", "i1"]] * 20, items=ITEMS)
    model = SequenceGAN(dim=8, training=Training(epochs=30, learning_rate=0.02), rounds=0).fit(
        Dataset.from_interactions(log)
    )
    assert model.repeats_
    assert (model.extend(ASKED, 20).items_flat == 1).mean() > 0.8


def test_the_same_seed_writes_the_same(taught: SequenceGAN) -> None:
    first, again, other = (taught.generate(20, seed=seed).items_flat.tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_step_by_step_equals_all_at_once(taught: SequenceGAN) -> None:
    network = taught.network_
    rows = torch.tensor([[3, 4, 5, 6], [7, 8, 9, 0]])
    with torch.no_grad():
        expected = network.states(rows, torch.ones_like(rows, dtype=torch.bool))  # (2, 5, dim)
        state, memory = network.begin(rows[:, :2], torch.tensor([[True, True], [True, False]]))
        torch.testing.assert_close(state, torch.stack([expected[0, 2], expected[1, 1]]))
        for step in (2, 3):
            state, memory = network.step(torch.stack([rows[0, step], rows[1, step - 1]]), memory)
            torch.testing.assert_close(state, torch.stack([expected[0, step + 1], expected[1, step]]))


def test_returns_equal_the_slow_twin() -> None:
    rng = np.random.default_rng(0)
    rewards, lengths = rng.normal(size=(3, 5)), [5, 2, 0]
    real = np.arange(5) < np.array(lengths)[:, None]
    expected = [
        [sum(0.7 ** (later - step) * rewards[u, later] for later in range(step, lengths[u])) for step in range(5)]
        for u in range(3)
    ]
    found = returns(torch.from_numpy(rewards), torch.from_numpy(real), 0.7).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_loss_foretells_the_first_event_too() -> None:
    model = SequenceGAN(dim=4, training=Training(epochs=1), rounds=0).fit(Dataset.from_interactions(chain()))
    rows, real = torch.tensor([[1, 2, 3], [5, 9, 0]]), torch.tensor([[True, True, True], [True, True, False]])
    with torch.no_grad():
        users = model.network_.states(rows, real).numpy()
    losses = []
    for u, t, target in ((0, 0, 1), (0, 1, 2), (0, 2, 3), (1, 0, 5), (1, 1, 9)):
        scores = model.item_embeddings().vectors @ users[u, t]
        losses.append(np.log(np.exp(scores).sum()) - scores[target])
    assert model._loss(rows, real, real.float()).item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_rounds_teach_and_leave_the_global_generator_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(2)
    torch.manual_seed(7)
    judged = SequenceGAN(dim=8, training=Training(epochs=2), rounds=2).fit(Dataset.from_interactions(chain()))
    torch.testing.assert_close(torch.rand(2), expected)
    unjudged = SequenceGAN(dim=8, training=Training(epochs=2), rounds=0).fit(Dataset.from_interactions(chain()))
    assert 0 <= judged.discriminator_accuracy_ <= 1
    assert np.isnan(unjudged.discriminator_accuracy_)
    assert not np.allclose(judged.item_embeddings().vectors, unjudged.item_embeddings().vectors)


def test_a_saved_generator_writes_the_same(taught: SequenceGAN, tmp_path) -> None:
    taught.save(tmp_path / "model")
    loaded = SequenceGAN.load(tmp_path / "model")
    assert loaded.generate(10).items_flat.tolist() == taught.generate(10).items_flat.tolist()
    assert loaded.discriminator_accuracy_ == taught.discriminator_accuracy_


def test_bad_questions_are_refused(taught: SequenceGAN) -> None:
    with pytest.raises(DataError, match="n=-1: expected 0 or more"):
        taught.generate(-1)
    with pytest.raises(DataError, match="n=-1: expected 0 or more"):
        taught.extend(ASKED, -1)
    with pytest.raises(IncompatibleError, match="histories over 1 items"):
        taught.extend(Interactions.from_histories([["a"]], items=IdMap.of(["a"])), 1)
    with pytest.raises(DataError, match="rounds=-1"):
        SequenceGAN(rounds=-1)
    with pytest.raises(NotFittedError, match="SequenceGAN is not fitted"):
        SequenceGAN().generate(1)
    assert len(taught.generate(0)) == 0
