"""Locks on folders: writers refuse each other and wait for those who sweep."""

import sys
import threading
from pathlib import Path

import pytest

from mmreco.errors import DataError
from mmreco.storage.lock import hold, reading, sweeping, unread

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="flock is not there")


def test_a_second_writer_is_refused_and_the_first_may_ask_again(tmp_path: Path) -> None:
    def second() -> None:
        with pytest.raises(DataError, match="another writer"), hold(tmp_path):
            pass
        told.set()

    told = threading.Event()
    with hold(tmp_path), hold(tmp_path):
        threading.Thread(target=second).start()
        assert told.wait(10)
    with hold(tmp_path):
        pass


def test_a_writer_waits_for_a_sweep(tmp_path: Path) -> None:
    def write() -> None:
        with hold(tmp_path):
            written.set()

    written = threading.Event()
    with sweeping(tmp_path) as alone:
        assert alone
        writer = threading.Thread(target=write)
        writer.start()
        assert not written.wait(0.1)
    assert written.wait(10)
    writer.join()


def test_nobody_sweeps_while_there_is_a_writer(tmp_path: Path) -> None:
    def sweep() -> None:
        with sweeping(tmp_path) as alone:
            found.append(alone)

    found: list[bool] = []
    with hold(tmp_path):
        with sweeping(tmp_path) as own:
            assert not own
        other = threading.Thread(target=sweep)
        other.start()
        other.join()
    assert found == [False]


def test_what_is_read_is_not_unread(tmp_path: Path) -> None:
    with reading(tmp_path), unread(tmp_path) as alone:
        assert not alone
    with unread(tmp_path) as alone:
        assert alone
