"""The Ray cluster at hand."""

from typing import Any

from mmreco.errors import MissingExtraError

__all__ = ["cluster"]


def cluster(work: str) -> Any:
    """Ray, connected to the cluster at hand, or to a local one where there is none.

    Parameters
    ----------
    work : what it is for, in the error

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    """
    try:
        import ray
        import ray.data
        import ray.train
    except ImportError as error:
        raise MissingExtraError(f"{work} on many machines needs Ray; run: pip install 'mmreco[ray]'") from error
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    return ray
