"""Bad tables against three dataframe libraries: refused with column and row, or accepted for a reason."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.errors import DataError

LIBRARIES: dict[str, Callable[[Any], Any]] = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
ALL = tuple(LIBRARIES)
SHOP = Catalogue(IdMap.of(["a", "b", "7"]), pa.table({"title": ["A", "B", "C"]}))
NAN, INF = float("nan"), float("inf")
EAST = timezone(timedelta(hours=8))
NOON = datetime(2026, 1, 2, 12)
SECONDS, MILLIS = 1_767_355_200, 1_767_355_200_000  # noon on 2 January 2026, UTC


@dataclass(frozen=True)
class Case:
    name: str
    columns: Any
    refused: tuple[str, ...] = ()  # words of the message
    accepted: Callable[[Any], bool] | None = None
    libraries: tuple[str, ...] = ALL
    options: Any = None


def log(name: str, /, *refused: str, **changes: Any) -> Case:
    """A log of two events with some columns changed."""
    libraries, options = changes.pop("libraries", ALL), changes.pop("options", None)
    accepted, drop = changes.pop("accepted", None), changes.pop("without", ())
    columns = {"user_id": ["u", "v"], "item_id": ["a", "b"], **changes}
    return Case(name, {k: v for k, v in columns.items() if k not in drop}, refused, accepted, libraries, options)


def shop(name: str, /, *refused: str, **changes: Any) -> Case:
    libraries, options = changes.pop("libraries", ALL), changes.pop("options", None)
    accepted, drop = changes.pop("accepted", None), changes.pop("without", ())
    columns = {"item_id": ["a", "b"], **changes}
    return Case(name, {k: v for k, v in columns.items() if k not in drop}, refused, accepted, libraries, options)


def said(name: str, /, *refused: str, **changes: Any) -> Case:
    accepted, drop = changes.pop("accepted", None), changes.pop("without", ())
    columns = {"item_id": ["a", "b"], "text": ["good", "bad"], **changes}
    return Case(name, {k: v for k, v in columns.items() if k not in drop}, refused, accepted)


LOGS = [
    log("no user column", "column 'user_id' is missing", "item_id", without=("user_id",)),
    log("no item column", "column 'item_id' is missing", without=("item_id",)),
    log("a mapped column that is not there", "column 'sku' is missing", options={"columns": {"item_id": "sku"}}),
    log("a mapping of a name nobody knows", "'price'", "timestamp", options={"columns": {"price": "item_id"}}),
    log("null user", "column 'user_id', row 1", "null", user_id=["u", None]),
    log("null item", "column 'item_id', row 0", "null", item_id=[None, "b"]),
    log("every id null", "column 'item_id', row 0", "2 such rows", item_id=[None, None]),
    log("whole numbers with a gap", "column 'user_id', row 1", "null", user_id=[1, None]),
    log("empty user", "column 'user_id', row 1", "empty", user_id=["u", ""]),
    log("empty item", "column 'item_id', row 0", "empty", item_id=["", "b"]),
    log("ids with a fraction", "column 'item_id', row 0", "1.5", "whole numbers", item_id=[1.5, 2.5]),
    log("ids that are truth values", "column 'user_id', row 0", "True", user_id=[True, False]),
    log("ids that are times", "column 'user_id', row 0", "timestamp", user_id=[NOON, NOON]),
    log("ids that are bytes", "column 'user_id', row 0", "binary", user_id=[b"u", b"v"]),
    log("ids that are lists", "column 'user_id', row 0", "list", user_id=[["u"], ["v"]]),
    log("number then text", "column 'item_id', row 1", "text", item_id=[7, "b"], libraries=("pandas",)),
    log("text then number", "column 'item_id', row 1", "a number", item_id=["b", 7], libraries=("pandas",)),
    log("lone surrogate in an id", "column 'user_id', row 1", "UTF-8", user_id=["u", "\ud800"], libraries=("pandas",)),
    log("NaN weight", weight=[2.0, NAN], accepted=lambda e: e.weights.tolist() == [2, 1]),
    log("null weight", weight=[None, 2.0], accepted=lambda e: e.weights.tolist() == [1, 2]),
    log("negative weight", weight=[1.0, -1.0], accepted=lambda e: e.weights.tolist() == [1, -1]),
    log("infinite weight", "column 'weight', row 0", "inf", weight=[INF, 1.0]),
    log("weight beyond float32", "column 'weight', row 1", "finite", weight=[1.0, 1e300]),
    log("weight as text", "column 'weight', row 0", "'much'", "number", weight=["much", "more"]),
    log("weight as truth", "column 'weight', row 0", "True", "number", weight=[True, False]),
    log("weights twice", "weight", "give one", weight=[1.0, 2.0], event=["x", "y"], options={"weights": {"x": 1}}),
    log("weights without event", "weights=", "event", options={"weights": {"x": 1}}),
    log("an event of no weight", "column 'event', row 1", "'buy'", event=["x", "buy"], options={"weights": {"x": 1}}),
    log(
        "a negative weight of an event",
        event=["x", "x"],
        options={"weights": {"x": -2}},
        accepted=lambda e: e.weights.tolist() == [-2, -2],
    ),
    log("an infinite weight of an event", "weights", "inf", "'x'", event=["x", "x"], options={"weights": {"x": INF}}),
    log("a true weight of an event", "weights", "True", "'x'", event=["x", "x"], options={"weights": {"x": True}}),
    log(
        "a numpy weight of an event",
        event=["x", None],
        options={"weights": {"x": np.int64(2)}},
        accepted=lambda e: sorted(e.weights.tolist()) == [1, 2],
    ),
    log(
        "null event",
        event=["view", None],
        accepted=lambda e: [e.event_names[t] for t in e.event_types] == ["view", "unknown"],
    ),
    log("empty event", "column 'event', row 0", "empty", event=["", "view"]),
    log("null time", timestamp=[SECONDS, None], accepted=lambda e: e.times.tolist() == [MILLIS] * 2),
    log("NaN time", timestamp=[NAN, 1.0], accepted=lambda e: e.times.tolist() == [1000, 1000]),
    log("no time known", timestamp=[None, None], accepted=lambda e: e.times is None),
    log("a year beyond all", "column 'timestamp', row 1", "5138", timestamp=["2026-01-02", "9999-12-31"]),
    log("negative time", "column 'timestamp', row 1", "-5", "1970", timestamp=[5, -5]),
    log("a date before 1970", "column 'timestamp', row 0", "1970", timestamp=[datetime(1969, 7, 20), NOON]),
    log("infinite time", "column 'timestamp', row 1", "inf", timestamp=[1.0, INF]),
    log("nanoseconds", "column 'timestamp', row 0", "milliseconds", timestamp=[MILLIS * 10**6] * 2),
    log("seconds beside milliseconds", "column 'timestamp', row 1", "one unit", timestamp=[MILLIS, SECONDS]),
    log("no time at all", "column 'timestamp', row 1", "'soon'", timestamp=["2026-01-02", "soon"]),
    log(
        "text with and without zone",
        "column 'timestamp', row 1",
        "all with a zone or all without",
        timestamp=["2026-01-02T12:00:00Z", "2026-01-02T12:00:00"],
    ),
    log(
        "times of a spreadsheet",
        "row 0",
        "parse it first, e.g. by pandas.to_datetime",
        timestamp=["2026/02/18 12:44"] * 2,
    ),
    log(
        "times with and without zone",
        "column 'timestamp', row 1",
        "without zone",
        timestamp=[NOON.replace(tzinfo=UTC), NOON],
        libraries=("pandas",),
    ),
    log("time as truth", "column 'timestamp', row 0", "True", timestamp=[True, True]),
    log("no id of the catalogue", "column 'item_id'", "2 of 2", "'x'", "'a'", item_id=["x", "y"]),
    log("some ids unknown", item_id=["x", "b"], accepted=lambda e: e.dropped == 1 and e.n_events == 1),
    log("empty", user_id=[], item_id=[], accepted=lambda e: len(e) == 0 and e.n_events == 0),
    log("one row", user_id=["u"], item_id=["a"], accepted=lambda e: e.n_events == 1),
    log("number ids meet text ids", item_id=[7, 7], accepted=lambda e: e.history(0).tolist() == [2]),
    log("emoji", user_id=["🙂", "👩‍👩‍👧"], accepted=lambda e: e.users.rows(["👩‍👩‍👧"]) == [0]),
    log("Chinese", user_id=["王小明", "李雷"], accepted=lambda e: e.users.rows(["王小明"]) == [1]),
    log("a NUL inside an id", user_id=["u\0", "u"], accepted=lambda e: len(e) == 2),
    log("ids that differ by a blank", user_id=["u", "u "], accepted=lambda e: len(e) == 2),
    log("seconds", timestamp=[SECONDS] * 2, accepted=lambda e: e.times.tolist() == [MILLIS] * 2),
    log("seconds with a fraction", timestamp=[0.5, 1.25], accepted=lambda e: e.times.tolist() == [500, 1250]),
    log("milliseconds", timestamp=[MILLIS] * 2, accepted=lambda e: e.times.tolist() == [MILLIS] * 2),
    log("naive times are UTC", timestamp=[NOON] * 2, accepted=lambda e: e.times.tolist() == [MILLIS] * 2),
    log(
        "times of another zone",
        timestamp=[NOON.replace(hour=20, tzinfo=EAST)] * 2,
        accepted=lambda e: e.times.tolist() == [MILLIS] * 2,
    ),
    log("dates", timestamp=[date(2026, 1, 2)] * 2, accepted=lambda e: e.times.tolist() == [MILLIS - 43_200_000] * 2),
    log(
        "text of several zones",
        timestamp=["2026-01-02T20:00:00+08:00", "2026-01-02T12:00:00Z"],
        accepted=lambda e: e.times.tolist() == [MILLIS] * 2,
    ),
    log("weight 0", weight=[0, 3], accepted=lambda e: e.weights.tolist() == [0, 3]),
    log("weight as decimal", weight=[Decimal("1.5")] * 2, accepted=lambda e: e.weights.tolist() == [1.5] * 2),
    log("a column more", mood=["x", "y"], accepted=lambda e: e.n_events == 2),
]

SHOPS = [
    shop("no id column", "column 'item_id' is missing", title=["x", "y"], without=("item_id",)),
    shop("repeated id", "column 'item_id'", "'a' at row 1", item_id=["a", "a"]),
    shop("repeated number id", "column 'item_id'", "'3' at row 2", item_id=[3, 4, 3]),
    shop("null id", "column 'item_id', row 1", "null", item_id=["a", None]),
    shop("empty id", "column 'item_id', row 0", "empty", item_id=["", "b"]),
    shop("number title with a fraction", "column 'title', row 0", "1.5", "text", title=[1.5, 2.5]),
    shop("title of bytes", "column 'title', row 0", "binary", title=[b"x", b"y"]),
    shop("titles in lists", "column 'text', row 1", "list", text=[None, ["x"]]),
    shop("lone surrogate in a title", "column 'title', row 1", "UTF-8", title=["x", "\udfff"], libraries=("pandas",)),
    shop("title of two kinds", "column 'title', row 1", "number", title=["x", 1.5], libraries=("pandas",)),
    shop("price as text", "column 'price', row 0", "'dear'", "number", price=["dear", "cheap"]),
    shop("infinite price", "column 'price', row 1", "inf", price=[1.0, INF]),
    shop("created long ago", "column 'created', row 0", "1970", created=[-1, 5]),
    shop("created at no time", "column 'created', row 1", "'someday'", created=[None, "someday"]),
    shop("image as number with a fraction", "column 'image', row 0", "text", image=[0.5, 1.5]),
    shop("unknown price", price=[NAN, 2.0], accepted=lambda c: c.column("price") == [None, 2.0]),
    shop("a refund for a price", price=[-1.0, 2.0], accepted=lambda c: c.column("price") == [-1.0, 2.0]),
    shop("empty", item_id=[], accepted=lambda c: len(c) == 0),
    shop("one row without columns", item_id=["a"], accepted=lambda c: len(c) == 1 and c.texts() == [None]),
    shop("number titles", title=[1984, 300], accepted=lambda c: c.texts() == ["1984", "300"]),
    shop("a title of 1 MB", title=["红" * 350_000, "y"], accepted=lambda c: len(c.texts()[0]) == 350_000),
    shop("emoji and Chinese", title=["👗 红色连衣裙", None], accepted=lambda c: c.texts() == ["👗 红色连衣裙", None]),
    shop("NUL in a title", title=["x\0y", ""], accepted=lambda c: c.texts() == ["x\0y", None]),
    shop("titles all unknown", title=[None, None], accepted=lambda c: not c.has("title")),
    shop("lists of categories", category=[["x", "y"], []], accepted=lambda c: c.column("category")[0] == ["x", "y"]),
    shop(
        "created as dates",
        created=[date(2026, 1, 2), None],
        accepted=lambda c: c.column("created") == [datetime(2026, 1, 2, tzinfo=UTC), None],
    ),
    shop(
        "another name for a column that is there",
        title=["x", "y"],
        name=["n", "m"],
        options={"columns": {"title": "name"}},
        accepted=lambda c: c.column("title") == ["n", "m"] and c.table.column_names == ["title"],
    ),
]

REVIEWS = [
    said("no text column", "column 'text' is missing", without=("text",)),
    said("rating of 6", "column 'rating', row 1", "6.0", "5 or less", rating=[1, 6]),
    said("rating of 0", "column 'rating', row 0", "1 or more", rating=[0, 5]),
    said("negative votes", "column 'helpful', row 1", "-1", helpful=[0, -1]),
    said("text of numbers with a fraction", "column 'text', row 0", "text", text=[0.5, 1.5]),
    said("null time", timestamp=[None, 5], accepted=lambda r: r.times.tolist() == [5000, 5000]),
    said("null writer", "column 'user_id', row 1", "null", user_id=["u", None]),
    said("no id of the catalogue", "column 'item_id'", "2 of 2", item_id=["x", "y"]),
    said("some ids unknown", item_id=["x", "b"], accepted=lambda r: r.dropped == 1 and r.texts == ("bad",)),
    said("unknown rating", rating=[None, 4.0], accepted=lambda r: np.isnan(r.ratings[0]) and r.ratings[1] == 4),
    said("unknown votes", helpful=[None, 4], accepted=lambda r: r.helpful.tolist() == [0, 4]),
    said("null text", text=[None, "bad"], accepted=lambda r: r.texts == ("", "bad")),
]


def _each(cases: list[Case]) -> Any:
    pairs = [(case, library) for case in cases for library in case.libraries]
    return pytest.mark.parametrize(("case", "library"), pairs, ids=[f"{c.name}-{lib}" for c, lib in pairs])


def _check(case: Case, made: Callable[[], Any]) -> None:
    if case.accepted is None:
        with pytest.raises(DataError) as caught:
            made()
        for word in case.refused:
            assert word in str(caught.value)
    else:
        assert case.accepted(made())


def _frame(case: Case, library: str) -> Any:
    columns = case.columns
    if library == "pandas":
        mixed = {k: pd.Series(v, dtype=object) for k, v in columns.items() if len({type(x) for x in v}) > 1}
        odd = {k: pd.Series(v, dtype=object) for k, v in columns.items() if any(_surrogate(x) for x in v)}
        columns = {**columns, **mixed, **odd} if "pandas" in case.libraries and len(case.libraries) == 1 else columns
    return LIBRARIES[library](columns)


def _surrogate(value: object) -> bool:
    return isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value)


def test_there_are_at_least_forty_bad_tables() -> None:
    assert sum(case.accepted is None for case in [*LOGS, *SHOPS, *REVIEWS]) >= 40


@_each(LOGS)
def test_logs(case: Case, library: str) -> None:
    frame = _frame(case, library)
    _check(case, lambda: Interactions.from_frame(frame, catalogue=SHOP, **(case.options or {})))


@_each(SHOPS)
def test_catalogues(case: Case, library: str) -> None:
    frame = _frame(case, library)
    _check(case, lambda: Catalogue.from_frame(frame, **(case.options or {})))


@_each(REVIEWS)
def test_reviews(case: Case, library: str) -> None:
    frame = _frame(case, library)
    _check(case, lambda: Reviews.from_frame(frame, catalogue=SHOP))


@pytest.mark.parametrize("given", [{"item_id": ["a"]}, [1], None, "items.csv", pl.LazyFrame({"item_id": ["a"]})])
def test_what_is_no_table_is_refused(given: Any) -> None:
    with pytest.raises(DataError, match="expected a pandas, polars or pyarrow table"):
        Catalogue.from_frame(given)


def test_two_columns_of_one_name_are_refused() -> None:
    for frame in (
        pd.DataFrame([["a", "b"]], columns=["item_id", "item_id"]),
        pa.table([["a"], ["b"]], names=["item_id"] * 2),
    ):
        with pytest.raises(DataError, match="two columns of one name"):
            Catalogue.from_frame(frame)


def test_other_arrow_layouts_are_the_same_table() -> None:
    plain = pa.table({"user_id": ["u", "v", "u"], "item_id": ["a", "b", "b"], "event": ["x", "y", "x"]})
    encoded = pa.table({n: plain[n].combine_chunks().dictionary_encode() for n in plain.column_names})
    chunked = pa.concat_tables([plain.slice(0, 1), plain.slice(1)])
    large = plain.cast(pa.schema([(n, pa.large_string()) for n in plain.column_names]))
    want = Interactions.from_frame(plain)
    for table in (encoded, chunked, large, pl.from_arrow(encoded), plain.to_pandas().astype("category")):
        got = Interactions.from_frame(table)
        assert (got.users, got.items, got.event_names) == (want.users, want.items, want.event_names)
        assert got.items_flat.tolist() == want.items_flat.tolist()


def test_objects_of_polars_are_refused_not_read_as_addresses() -> None:
    frame = pl.DataFrame({"item_id": ["a"], "title": pl.Series([object()], dtype=pl.Object)})
    with pytest.raises(DataError, match="column 'title', row 0"):
        Catalogue.from_frame(frame)


def test_weights_of_events_and_names_in_order() -> None:
    frame = pa.table({"user_id": ["u"] * 3, "item_id": ["a", "b", "a"], "event": ["view", "buy", "view"]})
    events = Interactions.from_frame(frame, catalogue=SHOP, weights={"view": 1, "buy": 5, "gift": 9})
    assert events.event_names == ("buy", "view")
    assert events.event_types.tolist() == [1, 0, 1]
    assert events.weights.tolist() == [1, 5, 1]


def test_users_of_dropped_events_only_are_gone_and_the_drop_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    frame = pa.table({"user_id": ["ghost", "u", "ghost"], "item_id": ["x", "a", "y"]})
    with caplog.at_level(logging.WARNING, "mmreco.data.matching"):
        events = Interactions.from_frame(frame, catalogue=SHOP)
    assert (events.users.ids([0]), len(events), events.dropped) == (["u"], 1, 2)
    assert [r.getMessage() for r in caplog.records] == [
        "column 'item_id': 2 of 3 ids unknown, first 'x' at row 0; their rows were dropped"
    ]


def test_the_log_is_sorted_by_time_and_keeps_the_order_of_equals() -> None:
    frame = pa.table({"user_id": ["u"] * 4, "item_id": ["a", "b", "7", "a"], "timestamp": [30, 10, 10, 20]})
    events = Interactions.from_frame(frame, catalogue=SHOP)
    assert events.items.ids(events.history(0)) == ["b", "7", "a", "a"]


class TestPictures:
    def test_paths_are_taken_below_the_folder_and_must_exist(self, tmp_path: Any) -> None:
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "a.jpg").write_bytes(b"")
        frame = pa.table({"item_id": ["a", "b", "c"], "image": ["x/a.jpg", "x/b.jpg", None]})
        catalogue = Catalogue.from_frame(frame, images=tmp_path)
        assert catalogue.images() == [tmp_path / "x" / "a.jpg", None, None]
        assert Catalogue.from_frame(frame).column("image") == ["x/a.jpg", "x/b.jpg", None]

    def test_without_the_column_the_file_named_like_the_item(self, tmp_path: Any) -> None:
        for name in ("a.jpg", "b.PNG", "c.txt", "红.webp"):
            (tmp_path / name).write_bytes(b"")
        catalogue = Catalogue.from_frame(pa.table({"item_id": ["红", "b", "c", "../a", "a"]}), images=tmp_path)
        assert [p and p.name for p in catalogue.images()] == ["红.webp", "b.PNG", None, None, "a.jpg"]

    @pytest.mark.parametrize("path", ["../a.jpg", "/etc/passwd", "x/../../a.jpg"])
    def test_a_path_that_leaves_the_folder_is_refused(self, tmp_path: Any, path: str) -> None:
        frame = pa.table({"item_id": ["b", "a"], "image": [None, path]})
        with pytest.raises(DataError, match=r"column 'image', row 1: .* leaves the folder"):
            Catalogue.from_frame(frame, images=tmp_path)

    def test_a_folder_that_is_not_there(self, tmp_path: Any) -> None:
        with pytest.raises(DataError, match="no such folder"):
            Catalogue.from_frame(pa.table({"item_id": ["a"]}), images=tmp_path / "none")


_ids = st.text(min_size=1, max_size=5)
_cells = st.one_of(st.none(), st.text(max_size=4), st.integers(-(2**63), 2**63 - 1), st.floats(), st.booleans())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_table_is_read_or_refused(data: st.DataObject) -> None:
    n = data.draw(st.integers(0, 5))
    names = data.draw(st.sets(st.sampled_from(["user_id", "item_id", "timestamp", "event", "weight"])))
    columns = {c: data.draw(st.lists(_cells, min_size=n, max_size=n)) for c in sorted(names)}
    frame = pd.DataFrame({c: pd.Series(v, dtype=object) for c, v in columns.items()})
    refused, events = "", None
    try:
        events = Interactions.from_frame(frame)
    except DataError as error:
        refused = str(error)
    assert "column" in refused if events is None else events.n_events == n


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_ids, _ids, st.integers(0, 10**9)), max_size=20))
def test_what_goes_in_comes_out(rows: list[tuple[str, str, int]]) -> None:
    kinds = {"user_id": pa.string(), "item_id": pa.string(), "timestamp": pa.int64()}
    frame = pa.table({c: pa.array([r[i] for r in rows], t) for i, (c, t) in enumerate(kinds.items())})
    events = Interactions.from_frame(frame)
    got = [
        (events.users.ids([u])[0], events.items.ids([i])[0], int(t) // 1000)
        for u, i, t in zip(events.users_flat, events.items_flat, events.times, strict=True)
    ]
    assert sorted(got) == sorted(rows)


def test_a_million_events_load_in_seconds() -> None:
    rng, e = np.random.default_rng(0), 1_000_000
    users, items = pa.array([f"user-{u}" for u in range(100_000)]), pa.array([f"sku-{i}" for i in range(50_000)])
    frame = pa.table(
        {
            "user_id": users.take(pa.array(rng.integers(0, len(users), e))),
            "item_id": items.take(pa.array(rng.integers(0, len(items), e))),
            "timestamp": rng.integers(1_600_000_000, 1_700_000_000, e),
            "event": pa.array(["view", "cart", "buy"]).take(pa.array(rng.integers(0, 3, e))),
        }
    )
    start = time.perf_counter()
    events = Interactions.from_frame(frame, weights={"view": 1, "cart": 2, "buy": 5})
    assert events.n_events == e
    assert time.perf_counter() - start < 20  # about 1 second on an idle core
