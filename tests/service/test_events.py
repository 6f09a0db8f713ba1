"""The event store: what was acknowledged is there, in order, after a kill at any moment; what is forgotten is gone."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sql

from mmreco.errors import DataError
from mmreco.service.events import EventStore, NewEvent

# Forks a writer again and again, and kills it; each writer says a number once the store has acknowledged it.
KILLS = """
import os, random, signal, sys, time
from mmreco.service.events import EventStore, NewEvent
random.seed(7)
for life in range(20):
    child = os.fork()
    if not child:
        store = EventStore.open(sys.argv[1])
        number = 0
        while True:
            some = [NewEvent(f"user-{life}", f"{number + n}", "click", 1.0, 5) for n in range(random.choice([1, 3]))]
            store.append(some)
            number += len(some)
            os.write(1, f"{life} {number}\\n".encode())
    time.sleep(random.uniform(0.05, 0.4))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def click(user: str, item: str, at: int = 1_700_000_000_000) -> NewEvent:
    return NewEvent(user, item, "click", 1.0, at)


@pytest.fixture
def store(tmp_path: Path) -> EventStore:
    return EventStore.open(tmp_path / "events.db")


def test_what_is_appended_is_read_in_order(store: EventStore) -> None:
    assert store.append([click("a", "hat"), click("b", "mug")]) == 2
    assert store.append([click("a", "sock")]) == 3
    assert [(e.sequence, e.user_id, e.item_id) for e in store.after(1)] == [(2, "b", "mug"), (3, "a", "sock")]
    assert [e.sequence for e in store.after(0, most=2)] == [1, 2]
    assert store.newest() == 3
    assert store.append([]) == 3


def test_a_second_opening_goes_on_counting(tmp_path: Path, store: EventStore) -> None:
    store.append([click("a", "hat")])
    again = EventStore.open(f"sqlite:///{tmp_path / 'events.db'}")
    assert again.append([click("a", "mug")]) == 2
    assert again.pseudonym("a") == store.pseudonym("a")


def test_the_file_is_its_owner_s_alone(tmp_path: Path, store: EventStore) -> None:
    assert (tmp_path / "events.db").stat().st_mode & 0o077 == 0


def test_numbers_are_committed_in_order(tmp_path: Path) -> None:
    """A reader that follows while two stores write from four threads each misses nothing."""
    stores = [EventStore.open(tmp_path / "events.db") for _ in range(2)]
    stop, read = threading.Event(), []

    def follow() -> None:
        reader, last = EventStore.open(tmp_path / "events.db"), 0
        while not stop.is_set() or reader.after(last):
            for entry in reader.after(last):
                last = entry.sequence
                read.append((last, entry.item_id))

    def write(line: int) -> None:
        for number in range(10):
            stores[line % 2].append([click("a", f"{line}-{number}-{part}") for part in range(3)])

    follower = threading.Thread(target=follow)
    writers = [threading.Thread(target=write, args=(line,)) for line in range(4)]
    for thread in (follower, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    follower.join()
    assert [number for number, _ in read] == list(range(1, 121))
    assert len({item for _, item in read}) == 120


def test_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    EventStore.open(path).close()
    done = subprocess.run([sys.executable, "-c", KILLS, str(path)], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    acknowledged = dict(line.split() for line in done.stdout.splitlines())
    assert len(acknowledged) >= 10, "most writers lived long enough to write"
    there: dict[str, list[int]] = {}
    for entry in EventStore.open(path).after(0, most=10**9):
        there.setdefault(str(entry.user_id).removeprefix("user-"), []).append(int(str(entry.item_id)))
    for life, number in acknowledged.items():
        assert len(there[life]) >= int(number)
    assert all(numbers == list(range(len(numbers))) for numbers in there.values()), "whole batches, once, in order"


def test_forgetting_leaves_no_trace(tmp_path: Path, store: EventStore) -> None:
    other = EventStore.open(tmp_path / "events.db")  # another worker's connection
    for number in range(300):
        store.append([click("zebra-user-77", f"item-{number}"), click(f"user-{number}", "hat")])
    assert len(other.after(0)) == 600
    assert traces(tmp_path, b"zebra-user-77") > 0
    assert store.forget("zebra-user-77") == 300
    assert traces(tmp_path, b"zebra-user-77") == 0
    entries = other.after(0)
    assert len([e for e in entries if e.kind == "event"]) == 300
    assert other.forgotten() == {store.pseudonym("zebra-user-77")}
    assert store.forget("nobody") == 0


def traces(folder: Path, name: bytes) -> int:
    return sum(path.read_bytes().count(name) for path in folder.iterdir())


def test_old_events_expire(monkeypatch: pytest.MonkeyPatch, store: EventStore) -> None:
    now = time.time()
    monkeypatch.setattr("mmreco.service.events.time.time", lambda: now - 31 * 86_400)
    store.append([click("a", "hat")])
    store.put_item("hat", {"price": 3})
    monkeypatch.setattr("mmreco.service.events.time.time", lambda: now)
    store.append([click("a", "mug")])
    assert store.expire(30) == 1
    assert [(e.kind, e.item_id) for e in store.after(0)] == [("item", "hat"), ("event", "mug")]
    with pytest.raises(DataError, match="keep_days=0"):
        store.expire(0)


def test_any_text_comes_back(store: EventStore) -> None:
    odd = ["' OR 1=1; --", "红色", "\U0001f455", "a" * 500, " \t\n"]
    store.append([click(user, user) for user in odd])
    store.put_item("hat", {"title": "帽子 \"'", "price": 2.5})
    entries = store.after(0)
    assert [e.user_id for e in entries[:-1]] == odd
    assert entries[-1].columns == {"title": "帽子 \"'", "price": 2.5}


def test_a_full_disk_acknowledges_nothing_and_heals(store: EventStore) -> None:
    store.append([click("a", "hat")])
    with store.engine.connect() as connection:  # as large as it is now, and no larger
        connection.execute(sql.text("PRAGMA max_page_count=1"))
        connection.commit()
    with pytest.raises(sql.exc.OperationalError, match="full"):
        store.append([click("a", "x" * 100_000)])
    assert store.newest() == 1
    with store.engine.connect() as connection:
        connection.execute(sql.text("PRAGMA max_page_count=1000000"))
        connection.commit()
    assert store.append([click("a", "y" * 100_000)]) == 2


@pytest.mark.parametrize(
    ("url", "word"),
    [("sqlite://", "in memory"), ("nosuch://host/db", "cannot be used"), ("://", "cannot be used")],
)
def test_unusable_urls_say_so(url: str, word: str) -> None:
    with pytest.raises(DataError, match=word):
        EventStore.open(url)


def test_a_password_is_not_said() -> None:
    with pytest.raises(DataError) as caught:
        EventStore.open("nosuch://me:secret@host/db")
    assert "secret" not in str(caught.value)
