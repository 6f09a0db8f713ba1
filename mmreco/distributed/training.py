"""Training a model on several machines or GPUs, by Ray Train (`mmreco[ray]`).

Each worker computes its part of every batch and gradients are summed, so that the result is that of one process but for
the order of sums and which values dropout hides. Memory is not divided: every worker holds the whole item table.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from mmreco.arguments import require_whole
from mmreco.data.dataset import Dataset
from mmreco.distributed.cluster import cluster
from mmreco.errors import DataError
from mmreco.models.sharedspace import SharedSpace
from mmreco.splitting import Holdout

__all__ = ["fit"]


def fit(
    model: SharedSpace,
    dataset: Dataset,
    *,
    folder: str | Path,
    workers: int = 2,
    validation: Holdout | None = None,
) -> SharedSpace:
    """`model` fitted by several workers of the Ray cluster at hand, a local one where there is none.

    Parameters
    ----------
    model : hyper-parameters; itself left as it is
        `SharedSpace` alone divides its batches.
    dataset, validation : as `SharedSpace.fit`
    folder : where every worker can write
        The fitted model is saved there. Beside it, in `<folder>.training`, stand the state after each pass, so that the
        same call takes an interrupted training up again, and what Ray writes; remove that when done.
    workers : 1 or more
        A GPU each, unless `model.training.device` is "cpu" or the cluster has none.

    Returns
    -------
    SharedSpace
        As `SharedSpace.load(folder)` gives it.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    DataError
        `workers` is below 1, `model` or `dataset` is of another type, or `folder` holds something else.
    RuntimeError
        A worker failed; Ray's own error, which names the cause.
    """
    workers = require_whole("workers", workers)
    if not isinstance(model, SharedSpace):
        raise DataError(
            f"fit: the model is a {type(model).__name__}; expected a SharedSpace, which divides its batches"
        )
    if not isinstance(dataset, Dataset):
        raise DataError(f"fit: given a {type(dataset).__name__}; expected a Dataset")
    ray = cluster("training")
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    path = Path(folder).absolute()
    beside = path.with_name(f"{path.name}.training")
    on_gpu = model.training.device != "cpu" and ray.cluster_resources().get("GPU", 0) >= workers
    own = replace(model, training=replace(model.training, checkpoint=beside / "checkpoint"))
    trainer = TorchTrainer(
        _work,
        train_loop_config={"model": own, "folder": path, "given": ray.put((dataset, validation))},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=on_gpu),
        run_config=RunConfig(storage_path=str(beside / "ray")),
    )
    trainer.fit()
    return SharedSpace.load(path)


def _work(config: dict[str, Any]) -> None:
    """What each worker does."""
    import ray
    from ray.train import get_context

    dataset, validation = ray.get(config["given"])
    model: SharedSpace = config["model"]
    model.fit(dataset, validation=validation)
    if get_context().get_world_rank() == 0:
        model.save(config["folder"])
