"""fit(): two workers of a local Ray come to the space that one process comes to.

This file run as a program is the job.
"""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.distributed.training import fit
from mmreco.errors import DataError
from mmreco.models.popular import Popular
from mmreco.models.sharedspace import SharedSpace
from mmreco.models.training import Training
from mmreco.splitting import leave_last_out


def dataset() -> Dataset:
    items = IdMap.of([str(i) for i in range(40)])
    rng = np.random.default_rng(0)
    histories = [
        [str((start + step) % 40) for step in range(rng.integers(3, 9))] for start in rng.integers(40, size=200)
    ]
    return Dataset.from_interactions(Interactions.from_histories(histories, items=items))


def space() -> SharedSpace:
    """The whole catalogue is contrasted: nothing is drawn."""
    return SharedSpace(dim=8, dropout=0.0, training=Training(epochs=3, device="cpu"))


def job(folder: Path) -> None:
    import ray

    logging.disable()
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        object_store_memory=100_000_000,
    )
    split = leave_last_out(dataset())
    fit(space(), split.train, folder=folder, workers=2, validation=split.test)


def test_workers_are_counted():
    with pytest.raises(DataError, match="workers=0: expected a whole number of 1 or more"):
        fit(space(), dataset(), folder="nowhere", workers=0)


def test_what_is_no_space_or_no_dataset_is_refused():
    with pytest.raises(DataError, match="the model is a Popular; expected a SharedSpace"):
        fit(Popular(), dataset(), folder="nowhere")
    with pytest.raises(DataError, match="given a Interactions; expected a Dataset"):
        fit(space(), dataset().interactions, folder="nowhere")


@pytest.mark.timeout(600)
def test_two_workers_come_to_the_space_of_one(tmp_path):
    pytest.importorskip("ray.train")
    split = leave_last_out(dataset())
    alone = space().fit(split.train, validation=split.test)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled"}
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path / "space")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    together = SharedSpace.load(tmp_path / "space")
    np.testing.assert_allclose(together.scores_, alone.scores_, atol=0.01)
    np.testing.assert_allclose(together.item_embeddings().vectors, alone.item_embeddings().vectors, atol=0.01)


if __name__ == "__main__":
    job(Path(sys.argv[1]))
