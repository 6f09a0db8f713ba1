"""Threads: what is faster is kept, what turns slow is measured again, and the process is left as it was."""

import os
import subprocess
import sys

import pytest
import torch

from mmreco.nn import threads
from mmreco.nn.threads import MeasuredThreads, probed_threads


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """A clock on which a step takes as long as `seconds[threads]`, and a process of four threads."""
    seconds = {1: 1.0, 4: 1.0}
    state = {"now": 0.0, "threads": 4}

    def tick() -> float:
        state["now"] += seconds[state["threads"]] / 2  # looked at before and after a step
        return state["now"]

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads.time, "perf_counter", tick)
    monkeypatch.setattr(threads._Probe, "_said", None)
    monkeypatch.setattr(torch, "get_num_threads", lambda: state["threads"])
    monkeypatch.setattr(torch, "set_num_threads", lambda n: state.update(threads=n))
    return seconds


def run(measured: MeasuredThreads, n: int) -> list[int]:
    return [torch.get_num_threads() for _ in measured.over(range(n))]


@pytest.mark.parametrize(("alone", "together", "kept"), [(1.0, 1.0, 1), (1.0, 0.9, 1), (1.0, 0.5, 4), (1.0, 30.0, 1)])
def test_several_threads_must_be_clearly_faster(
    clock: dict[int, float], alone: float, together: float, kept: int
) -> None:
    clock.update({1: alone, 4: together})
    with MeasuredThreads() as measured:
        assert run(measured, 40)[-1] == kept
    assert torch.get_num_threads() == 4


def test_steps_that_turn_slow_are_measured_again(clock: dict[int, float]) -> None:
    clock.update({1: 1.0, 4: 0.5})
    with MeasuredThreads() as measured:
        assert run(measured, 40)[-1] == 4
        clock[4] = 20.0  # another job has come
        assert run(measured, 80)[-1] == 1


def test_every_step_is_handed_on_once(clock: dict[int, float]) -> None:
    with MeasuredThreads() as measured:
        assert list(measured.over("abcdefghijklmnop")) == list("abcdefghijklmnop")
        assert list(measured.over([])) == []


def test_a_fixed_number_is_obeyed(clock: dict[int, float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    with MeasuredThreads() as measured:
        assert set(run(measured, 40)) == {4}


@pytest.mark.parametrize(("alone", "together", "chosen"), [(1.0, 0.9, 1), (1.0, 0.5, 4), (1.0, 30.0, 1)])
def test_a_probe_says_how_many_threads(clock: dict[int, float], alone: float, together: float, chosen: int) -> None:
    clock.update({1: alone, 4: together})
    with probed_threads():
        assert torch.get_num_threads() == chosen
    assert torch.get_num_threads() == 4


def test_a_probe_holds_for_some_seconds(clock: dict[int, float], monkeypatch: pytest.MonkeyPatch) -> None:
    probes: list[int] = []
    monkeypatch.setattr(threads, "_probed", lambda number: probes.append(number) or 1.0)
    for _ in range(3):
        with probed_threads():
            pass
    assert probes == [1, 4]
    clock.update({4: 100.0})
    threads.time.perf_counter()  # a minute later
    with probed_threads():
        pass
    assert probes == [1, 4, 1, 4]


def test_no_probe_on_a_gpu_or_of_a_fixed_number(clock: dict[int, float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_probed", lambda number: pytest.fail("probed"))
    with probed_threads(enabled=False):
        assert torch.get_num_threads() == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    with probed_threads():
        assert torch.get_num_threads() == 4


_FORKED = """
import os, signal
import numpy as np
from mmreco import Dataset, IdMap, Interactions, Request
from mmreco.models.sasrec import SASRec
from mmreco.models.training import Training
rng = np.random.default_rng(0)
items = IdMap.of([f"i{item}" for item in range(500)])
lists = [items.ids(rng.integers(0, 500, 40)) for _ in range(64)]
log = Dataset.from_interactions(Interactions.from_histories(lists, items=items))
model = SASRec(dim=64, training=Training(epochs=1, device="cpu")).fit(log)
ask = Request(log.interactions, k=5)
rows = model.recommend(ask).rows
child = os.fork()
if not child:
    signal.alarm(60)
    os._exit(0 if (model.recommend(ask).rows == rows).mean() > 0.9 else 3)
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_answers_though_its_parent_used_threads() -> None:
    env = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", _FORKED], env=env, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["0"], done.stderr
