"""The event store: what was acknowledged is there, in order, after a kill at any moment; what is forgotten is gone."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sql
from sqlalchemy.engine import Engine

from mmreco.errors import DataError
from mmreco.service.events import EventStore, NewEvent

# Forks a writer again and again, and kills it while it writes; it says a number once the store has acknowledged it.
KILLS = """
import os, random, signal, sys, time
from mmreco.service.events import EventStore, NewEvent
random.seed(7)
EventStore.open(sys.argv[1]).close()
for life in range(20):
    opened, ready = os.pipe()
    child = os.fork()
    if not child:
        store = EventStore.open(sys.argv[1])
        number = 0
        os.write(ready, b"x")
        while True:
            some = [NewEvent(f"user-{life}", f"{number + n}", "click", 1.0, 5) for n in range(random.choice([1, 3]))]
            store.append(some)
            number += len(some)
            os.write(1, f"{life} {number}\\n".encode())
    os.read(opened, 1)
    time.sleep(random.uniform(0.0, 0.2))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def click(user: str, item: str, at: int = 1_700_000_000_000) -> NewEvent:
    return NewEvent(user, item, "click", 1.0, at)


@pytest.fixture
def store(url: str) -> Iterator[EventStore]:
    store = EventStore.open(url)
    yield store
    store.close()


@pytest.fixture
def other(url: str) -> Iterator[EventStore]:
    """Another worker's."""
    store = EventStore.open(url)
    yield store
    store.close()


def test_what_is_appended_is_read_in_order(store: EventStore) -> None:
    assert store.append([click("a", "hat"), click("b", "mug")]) == 2
    assert store.append([click("a", "sock")]) == 3
    assert [(e.sequence, e.user_id, e.item_id) for e in store.after(1)] == [(2, "b", "mug"), (3, "a", "sock")]
    assert [e.sequence for e in store.after(0, most=2)] == [1, 2]
    assert store.newest() == 3
    assert store.append([]) == 3


def test_a_second_opening_goes_on_counting(store: EventStore, other: EventStore) -> None:
    store.append([click("a", "hat")])
    assert other.append([click("a", "mug")]) == 2
    assert other.pseudonym("a") == store.pseudonym("a")


def test_a_path_is_a_sqlite_file_of_its_owner_s_alone(tmp_path: Path) -> None:
    store = EventStore.open(tmp_path / "events.db")
    assert store.engine.dialect.name == "sqlite"
    assert (tmp_path / "events.db").stat().st_mode & 0o077 == 0
    store.close()


def test_many_may_be_the_first(url: str) -> None:
    """Four processes open a store that is not there yet, and all write to the same one."""
    code = "import sys; from mmreco.service.events import *; s = EventStore.open(sys.argv[1]); "
    code += "s.append([NewEvent('a', 'hat', 'click', 1.0, 5)]); print(s.pseudonym('a'))"
    running = [
        subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    ended = [process.communicate(timeout=120) for process in running]
    assert {process.returncode for process in running} == {0}, ended
    assert len({out for out, _ in ended}) == 1
    store = EventStore.open(url)
    assert [entry.sequence for entry in store.after(0)] == [1, 2, 3, 4]
    store.close()


def test_numbers_are_committed_in_order(url: str, store: EventStore, other: EventStore) -> None:
    """A reader that follows while two stores write from four threads each misses nothing."""
    stores = store, other
    stop, read = threading.Event(), []

    def follow() -> None:
        reader, last = EventStore.open(url), 0
        while not stop.is_set() or reader.after(last):
            for entry in reader.after(last):
                last = entry.sequence
                read.append((last, entry.item_id))
        reader.close()

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


def test_kills_lose_nothing_acknowledged(url: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLS, url], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    acknowledged = dict(line.split() for line in done.stdout.splitlines())
    assert len(acknowledged) >= 10, "most writers lived long enough to write"
    there: dict[str, list[int]] = {}
    store = EventStore.open(url)
    for entry in store.after(0, most=10**9):
        there.setdefault(str(entry.user_id).removeprefix("user-"), []).append(int(str(entry.item_id)))
    for life, number in acknowledged.items():
        assert len(there[life]) >= int(number)
    assert all(numbers == list(range(len(numbers))) for numbers in there.values()), "whole batches, once, in order"
    store.close()


def test_forgetting_leaves_no_trace(request: pytest.FixtureRequest, store: EventStore, other: EventStore) -> None:
    for number in range(300):
        store.append([click("zebra-user-77", f"item-{number}"), click(f"user-{number}", "hat")])
    assert len(other.after(0)) == 600
    assert traces(request, store) > 0
    assert store.forget("zebra-user-77") == 300
    assert traces(request, store) == 0
    entries = other.after(0)
    assert len([e for e in entries if e.kind == "event"]) == 300
    assert other.forgotten() == {store.pseudonym("zebra-user-77")}
    assert store.forget("nobody") == 0


def traces(request: pytest.FixtureRequest, store: EventStore) -> int:
    """How often the user stands in the files of the tables; PostgreSQL's own log is recycled in time."""
    if store.engine.dialect.name == "sqlite":
        files = list(request.getfixturevalue("tmp_path").iterdir())
    else:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sql.text("ANALYZE"))
            connection.execute(sql.text("CHECKPOINT"))
            number = connection.execute(sql.text("SELECT oid FROM pg_database WHERE datname = current_database()"))
            folder = request.getfixturevalue("postgres").folder / "data" / "base" / str(number.scalar_one())
            files = [path for path in folder.iterdir() if path.is_file()]
    return sum(path.read_bytes().count(b"zebra-user-77") for path in files)


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


def test_a_full_disk_acknowledges_nothing_and_heals(sqlite_url: str) -> None:
    store = EventStore.open(sqlite_url)
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
    store.close()


@pytest.mark.parametrize(
    ("url", "word"),
    [("sqlite://", "in memory"), ("nosuch://host/db", "cannot be used"), ("://", "cannot be used")],
)
def test_unusable_urls_say_so(url: str, word: str) -> None:
    with pytest.raises(DataError, match=word):
        EventStore.open(url)


def test_a_file_of_something_else_is_left_alone(tmp_path: Path, connections: list[Engine]) -> None:
    engine = sql.create_engine(f"sqlite:///{tmp_path / 'till.db'}", poolclass=sql.NullPool)
    with engine.begin() as connection:
        connection.execute(sql.text("CREATE TABLE receipts (number INTEGER)"))
    with pytest.raises(DataError, match=r"something else \(.receipts.\)"):
        EventStore.open(tmp_path / "till.db")
    assert "Connections in pool: 0" in connections[-1].pool.status()
    with engine.begin() as connection:
        assert sql.inspect(connection).get_table_names() == ["receipts"]


def test_a_password_is_not_said() -> None:
    with pytest.raises(DataError) as caught:
        EventStore.open("nosuch://me:secret@host/db")
    assert "secret" not in str(caught.value)
