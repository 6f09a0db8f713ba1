"""Measures: what Prometheus reads of the service."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, final

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from mmreco.data.answer import Answer
from mmreco.service.live_shop import LiveShop

__all__ = ["Measures"]

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds


class Measures:
    """Latencies by route, the queue, answers by kind, the share of the catalogue answered, the newest event's age."""

    def __init__(self, shop: LiveShop) -> None:
        self._counted, self._looked_up = CollectorRegistry(), CollectorRegistry()
        own: dict[str, Any] = {"registry": self._counted}
        self.seconds = Histogram(
            "mmreco_request_seconds", "Time of a request.", ["route", "status"], buckets=_BUCKETS, **own
        )
        self.waiting = Gauge(
            "mmreco_requests_waiting", "Requests at work and in the queue.", multiprocess_mode="livesum", **own
        )
        self.refused = Counter("mmreco_requests_refused", "Requests above the queue's limit.", **own)
        self.answers = Counter("mmreco_answers", "Answers by kind: personal, popular or none.", ["kind"], **own)
        self.events = Counter("mmreco_events", "Events acknowledged.", **own)
        self._shop = shop
        self._answered: set[str] = set()
        self._looked_up.register(_LookedUp(self._now))

    def count(self, answer: Answer) -> None:
        """Count answers by kind, and the items in them."""
        there = (answer.ranking.rows >= 0).any(axis=1)
        popular = np.asarray(answer.popular) & there
        for kind, number in (
            ("none", int((~there).sum())),
            ("popular", int(popular.sum())),
            ("personal", int((there & ~popular).sum())),
        ):
            if number:
                self.answers.labels(kind).inc(number)
        for ids in answer.ids():
            self._answered.update(ids)

    def text(self) -> bytes:
        """All of it as Prometheus reads it; what is counted is that of all workers of one server together."""
        counted = self._counted
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            MultiProcessCollector(counted := CollectorRegistry())  # type: ignore[no-untyped-call]
        return bytes(generate_latest(counted) + generate_latest(self._looked_up))

    def _now(self) -> Iterator[tuple[str, str, float]]:
        yield "mmreco_catalogue_coverage", "Share of the items answered since the start.", self._coverage()
        yield "mmreco_newest_event_age_seconds", "Since the newest event; NaN before the first.", self._age()
        yield "mmreco_generation", "The number of the artefact that answers.", self._generation()
        yield "mmreco_store_up", "1 where the event store can be read.", float(self._shop.store_is_there)

    def _coverage(self) -> float:
        return min(1.0, len(self._answered) / max(1, len(self._shop.serving.recommender.catalogue)))

    def _age(self) -> float:
        newest = self._shop.newest_event
        return float("nan") if newest is None else max(0.0, time.time() - newest / 1000)

    def _generation(self) -> float:
        digits = self._shop.serving.generation.rpartition("-")[2]
        return float(digits) if digits.isdigit() else 0.0


@final
class _LookedUp(Collector):
    """What is looked up when it is asked for, of this process alone.

    No `Gauge`: of several processes each would leave one of 0 in the folder that they share.
    """

    def __init__(self, now: Callable[[], Iterable[tuple[str, str, float]]]) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        for name, documentation, value in self._now():
            yield GaugeMetricFamily(name, documentation, value=value)
