import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch

from mmreco.nn.process_group import ProcessGroup, crew


def test_alone_is_the_whole_crew():
    alone = crew()
    assert alone == ProcessGroup(0, 1)
    windows = np.array([[0, 3], [3, 5]])
    part, share = alone.part(windows)
    np.testing.assert_array_equal(part, windows)
    assert share == 1.0
    assert alone.sum(torch.tensor(2.0)).item() == 2.0


def test_every_window_is_someones_and_shares_are_of_targets():
    windows = np.array([[0, 3], [3, 5], [8, 2], [10, 9], [19, 2]])
    parts = [ProcessGroup(rank, 2).part(windows) for rank in range(2)]
    np.testing.assert_array_equal(np.concatenate([part for part, _ in parts]), windows[[0, 2, 4, 1, 3]])
    np.testing.assert_allclose([share for _, share in parts], [4 / 16, 12 / 16])


def test_a_batch_too_small_to_part_is_done_by_all_in_equal_shares():
    part, share = ProcessGroup(2, 3).part(np.array([[0, 3], [3, 5]]))
    assert len(part) == 2
    assert share == pytest.approx(1 / 3)


def _work(rank: int, folder: str) -> None:
    """One of two processes that fit a line to half of the points each."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/met", rank=rank, world_size=2)
    from mmreco.nn.training_loop import train

    def losses(number):
        for points in np.random.default_rng(number).normal(size=(20, 12, 3)):
            own = torch.tensor(points[rank::2], dtype=torch.float32)
            yield 0.5 * ((line(own[:, :2])[:, 0] - own[:, 2]) ** 2).mean()

    torch.manual_seed(0)
    line = torch.nn.Linear(2, 1)
    optimiser = torch.optim.AdamW(line.parameters(), lr=0.05)
    train(line, optimiser, batches=losses, validate=None, epochs=2, patience=None, seed=0)
    torch.save(line.state_dict(), Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_learn_what_one_does(tmp_path):
    from mmreco.nn.training_loop import train

    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(rank, str(tmp_path))) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    torch.manual_seed(0)
    line = torch.nn.Linear(2, 1)

    def losses(number):
        for points in np.random.default_rng(number).normal(size=(20, 12, 3)):
            whole = torch.tensor(points, dtype=torch.float32)
            yield ((line(whole[:, :2])[:, 0] - whole[:, 2]) ** 2).mean()

    optimiser = torch.optim.AdamW(line.parameters(), lr=0.05)
    train(line, optimiser, batches=losses, validate=None, epochs=2, patience=None, seed=0)
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, value in line.state_dict().items():
            torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)
