"""Training a shared space on several machines or GPUs, by Ray Train (`mmreco[ray]`).

Each worker computes its part of every batch and gradients are summed, so that the result is that of one process but for
the order of sums and which values dropout hides. Memory is not divided: every worker holds the whole item table.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmreco.data.attributes import Attributes
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.distributed.cluster import cluster
from mmreco.errors import DataError
from mmreco.models.sharedspace import SharedSpace
from mmreco.splitting import Holdout

__all__ = ["fit"]


def fit(
    space: SharedSpace,
    train: Interactions,
    *,
    folder: str | Path,
    workers: int = 2,
    content: Mapping[str, Embeddings] | None = None,
    attributes: Attributes | None = None,
    validation: Holdout | None = None,
) -> SharedSpace:
    """`space` fitted by several workers of the Ray cluster at hand, a local one where there is none.

    Parameters
    ----------
    space : hyper-parameters; itself left as it is
    folder : where every worker can write
        The fitted space is saved there. Beside it, in `<folder>.training`, stand the state after each pass, so that the
        same call takes an interrupted training up again, and what Ray writes; remove that when done.
    workers : 1 or more
        A GPU each, unless `space.device` is "cpu" or the cluster has none.
    content, attributes, validation : as `SharedSpace.fit`

    Returns
    -------
    SharedSpace
        As `SharedSpace.load(folder)` gives it.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    DataError
        `workers` is below 1, or `folder` holds something else.
    RuntimeError
        A worker failed; Ray's own error, which names the cause.
    """
    if workers < 1:
        raise DataError(f"workers={workers}: expected 1 or more")
    ray = cluster("training")
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    path = Path(folder).absolute()
    beside = path.with_name(f"{path.name}.training")
    on_gpu = space.device != "cpu" and ray.cluster_resources().get("GPU", 0) >= workers
    told = {"content": content, "attributes": attributes, "validation": validation}
    trainer = TorchTrainer(
        _work,
        train_loop_config={"space": space, "folder": path, "beside": beside, "given": ray.put((train, told))},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=on_gpu),
        run_config=RunConfig(storage_path=str(beside / "ray")),
    )
    trainer.fit()
    return SharedSpace.load(path)


def _work(config: dict[str, Any]) -> None:
    """What each worker does."""
    import ray
    from ray.train import get_context

    train, told = ray.get(config["given"])
    space: SharedSpace = config["space"]
    space.fit(train, **told, checkpoint=config["beside"] / "checkpoint")
    if get_context().get_world_rank() == 0:
        space.save(config["folder"])
