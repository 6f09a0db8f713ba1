"""The service on many machines: the same application as a Ray Serve deployment (`mmreco[ray]`).

Each replica loads the artefact and reads the event store forward, as a worker of `mmreco serve` does, so that replicas
see each other's events within a second. Give them a PostgreSQL for events, and an artefact folder all machines see.
Small requests that reach a replica together are answered in one pass; see `mmreco.service.batching`.
"""

from typing import Any

from mmreco.arguments import require_whole
from mmreco.errors import DataError, MissingExtraError
from mmreco.service.server import Settings

__all__ = ["deployment"]


def deployment(settings: Settings, *, replicas: int = 2, cpus: float = 1.0) -> Any:
    """The application of `settings` as a Ray Serve application, to be handed to `ray.serve.run`.

    Parameters
    ----------
    settings : what is served, keys among it: replicas are reached from other machines
    replicas : 1 or more
    cpus : of each, above 0

    Raises
    ------
    MissingExtraError
        Ray Serve is not installed.
    DataError
        `replicas` is not a whole number of 1 or more, or `cpus` not above 0.

    Examples
    --------
    >>> from ray import serve  # doctest: +SKIP
    >>> serve.run(deployment(settings, replicas=4), route_prefix="/")  # doctest: +SKIP
    """
    require_whole("replicas", replicas)
    if not cpus > 0:
        raise DataError(f"cpus={cpus}: expected a number above 0")
    try:
        from ray import serve
    except ImportError as error:
        raise MissingExtraError("serving on many machines needs Ray Serve; run: pip install 'mmreco[ray]'") from error

    @serve.ingress(_application(settings))
    class Shop:
        """A replica: it is healthy while the process answers, and ready once the application is."""

    decorate = serve.deployment(
        name="mmreco",
        num_replicas=replicas,
        ray_actor_options={"num_cpus": cpus},
        max_ongoing_requests=settings.limits.waiting,
    )
    return decorate(Shop).bind()


def _application(settings: Settings) -> Any:
    def build() -> Any:
        return settings.open()

    return build
