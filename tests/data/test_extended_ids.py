"""A map that changes is the map one would have made anew, and whoever holds an old value is not disturbed."""

import pickle
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmreco.data.extended_ids import extend_ids, keep_ids
from mmreco.data.ids import IdMap
from mmreco.errors import DataError, UnknownIdError


def same(ids: IdMap, expected: list[str], strangers: list[str]) -> None:
    assert ids.ids(range(len(ids))) == expected
    assert ids.rows([*expected, *strangers], missing="mark").tolist() == [*range(len(expected)), *[-1] * len(strangers)]
    anew = IdMap.of(expected)
    assert ids == anew
    assert anew == ids
    assert hash(ids) == hash(anew)
    assert ids.array.to_pylist() == expected
    assert ids.take(list(range(len(ids)))[::-1]).ids(range(len(ids))) == expected[::-1]


@given(st.data())
def test_any_course_of_changes_equals_a_list(data: st.DataObject) -> None:
    names = [f"n{number}" for number in range(8)]
    values = [(IdMap.of(names[:3]), names[:3])]
    for _ in range(data.draw(st.integers(1, 8))):
        ids, texts = data.draw(st.sampled_from(values))  # any older value may go its own way
        absent = [name for name in names if name not in texts]
        if data.draw(st.booleans()):
            new = data.draw(st.lists(st.sampled_from(absent), unique=True)) if absent else []
            values.append((extend_ids(ids, IdMap.of(new)), texts + new))
        else:
            stay = np.array(data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts))), dtype=bool)
            values.append((keep_ids(ids, stay), [text for text, keep in zip(texts, stay, strict=True) if keep]))
    for ids, texts in values:
        same(ids, texts, [name for name in names if name not in texts])


def test_an_id_comes_once() -> None:
    ids = extend_ids(IdMap.of(["a", "b"]), IdMap.of(["c"]))
    for known in ("a", "c"):
        with pytest.raises(DataError, match=f"1 of 2 ids already exist, first '{known}'"):
            extend_ids(ids, IdMap.of(["x", known]))
    with pytest.raises(UnknownIdError, match="1 of 2 ids unknown, first 'x'"):
        ids.rows(["c", "x"])
    with pytest.raises(DataError, match="of 3; expected"):
        ids.ids([3])


def test_ids_of_any_length_are_told_apart() -> None:
    names = ["a", "b", "ab", "xab", "12345678", "12345679", "x12345678", "yx12345678", "红", "x红", "红色连衣裙" * 40]
    for place, name in enumerate(names):
        others = names[:place] + names[place + 1 :]
        ids = extend_ids(IdMap(IdMap.of(["first", *others]).array[1:]), IdMap.of([name]))
        same(ids, [*others, name], ["", "c", "2345678"])
        for known in others:
            with pytest.raises(DataError, match="1 of 1 ids already exist"):
                extend_ids(IdMap.of(others), IdMap.of([known]))


def test_a_changed_map_travels_to_other_processes() -> None:
    ids = keep_ids(extend_ids(IdMap.of(["a", "b"]), IdMap.of(["c"])), np.array([False, True, True]))
    same(pickle.loads(pickle.dumps(ids)), ["b", "c"], ["a"])


def test_one_more_id_costs_no_copy_of_a_million() -> None:
    ids = IdMap.of([f"sku-{row}" for row in range(1_000_000)])
    ids = extend_ids(ids, IdMap.of(["first"]))  # which looks at each once
    seconds = []
    for number in range(20):
        start = perf_counter()
        ids = extend_ids(ids, IdMap.of([f"new-{number}"]))
        seconds.append(perf_counter() - start)
    assert np.median(seconds) < 0.005
    assert ids.rows(["new-19", "sku-7"]).tolist() == [1_000_020, 7]
