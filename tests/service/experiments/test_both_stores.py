"""Exposures and the audit log in SQLite and in PostgreSQL: written, read, forgotten and expired alike."""

from collections.abc import Iterator

import pytest

from mmreco.service.audit import acts, record
from mmreco.service.events import EventStore, NewEvent
from mmreco.service.experiments.exposures import Exposure, ExposureLog, names, read_exposures
from mmreco.service.experiments.report import experiment_report


@pytest.fixture
def any_store(url: str) -> Iterator[EventStore]:
    store = EventStore.open(url)
    yield store
    store.close()


def shown(user: str, at: int, variant: str = "old", **options: object) -> Exposure:
    return Exposure("home", variant, int(variant == "new"), 0.5, user, at, ["hat", "红帽"], [0.5, None], **options)  # type: ignore[arg-type]


def test_exposures_come_back_as_they_were(any_store: EventStore) -> None:
    log = ExposureLog(any_store)
    told = [shown("a", 5), shown("b", 6, "new", teams=[0, -1])]
    for one in reversed(told):
        log.add(one)
    assert log.flush() == 2
    assert read_exposures(any_store, "home") == told
    assert read_exposures(any_store, "other") == []
    assert names(any_store) == ["home"]


def test_forgetting_and_expiring_reach_exposures(any_store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    day = 86_400
    log = ExposureLog(any_store)
    monkeypatch.setattr("mmreco.service.events.time.time", lambda: 100 * day)
    for user, at in (("a", 99), ("b", 99), ("b", 50)):
        log.add(shown(user, at * day * 1000))
    log.flush()
    any_store.append([NewEvent("a", "hat", "click", 1.0, 5)])
    log.add(shown("a", 99 * day * 1000))  # waits while its user is forgotten
    assert any_store.forget("a") == 2
    log.flush()
    assert [one.user_id for one in read_exposures(any_store, "home")] == ["b", "b"]
    assert any_store.expire(30) == 1
    assert [one.received for one in read_exposures(any_store, "home")] == [99 * day * 1000]


def test_a_report_and_the_audit_log(any_store: EventStore) -> None:
    log = ExposureLog(any_store)
    for number in range(20):
        log.add(shown(f"user-{number}", 5, "new" if number % 2 else "old"))
    log.flush()
    any_store.append([NewEvent("user-1", "hat", "click", 1.0, 5)])
    report = experiment_report(any_store)
    assert [one.users for one in report.variants] == [10, 10]
    record(any_store, "office", "forget", 3)
    assert [(one.who, one.action, one.touched) for one in acts(any_store)] == [("office", "forget", 3)]
