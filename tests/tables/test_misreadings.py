"""What a table says is what is read: no value is guessed, rounded, cast or lost in silence."""

import gzip
import json
import logging
import tempfile
import time
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmreco.data.attributes import Attributes
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.data.storage import read_interactions, write_interactions
from mmreco.datasets.amazon import amazon_catalogue, amazon_reviews
from mmreco.datasets.movielens import movielens_catalogue, movielens_interactions
from mmreco.datasets.recbole import recbole_catalogue, recbole_interactions
from mmreco.datasets.s3rec import s3rec_attributes, s3rec_interactions
from mmreco.encoders.baskets import Baskets
from mmreco.errors import DataError
from mmreco.filters.parser import mask
from mmreco.live.event_log import Event, EventLog
from mmreco.splitting import leave_last_out
from mmreco.tables.files import read_table
from mmreco.tables.lines import json_objects, lines
from mmreco.tables.markup import clean_markup


def log(**columns) -> Interactions:
    return Interactions.from_frame(pd.DataFrame(columns))


def shop(**columns) -> Catalogue:
    return Catalogue.from_frame(pd.DataFrame(columns))


def history(events: Interactions, row: int = 0) -> list[str]:
    return events.items.ids(events.history(row))


# ---- order below a millisecond

FINE = ["2026-01-05T10:00:00.000900", "2026-01-05T10:00:00.000100"]


@pytest.mark.parametrize(
    "stamps",
    [
        pd.to_datetime(FINE),
        pd.to_datetime(FINE, utc=True),
        pd.to_datetime(FINE).astype("datetime64[ns]"),
        FINE,
        [t + "Z" for t in FINE],
        [t + "00" for t in FINE],  # hundreds of nanoseconds
        [datetime.fromisoformat(t) for t in FINE],
        [1767607200.0009, 1767607200.0001],
        [1767607200000.9, 1767607200000.1],
    ],
    ids=["us", "zoned", "ns", "text", "zoned text", "long text", "objects", "seconds", "milliseconds"],
)
def test_events_inside_one_millisecond_keep_their_order(stamps) -> None:
    events = log(user_id=["a"] * 2, item_id=["late", "early"], timestamp=stamps)
    assert history(events) == ["early", "late"]
    assert events.times.tolist() == [1767607200000] * 2
    assert events.nanoseconds.tolist() == pytest.approx([100_000, 900_000], abs=200)
    assert events.begins_moment.all()
    for again in (events.take([0]), Interactions.from_events(**flat(events)), saved(events)):
        assert history(again) == ["early", "late"]
        assert again.nanoseconds.tolist() == events.nanoseconds.tolist()


def flat(events: Interactions) -> dict[str, Any]:
    """The log as arrays, the other way round."""
    rows = {"user_rows": events.users_flat[::-1], "item_rows": events.items_flat[::-1]}
    times = events.times[::-1], events.nanoseconds[::-1]
    return {"users": events.users, "items": events.items, "times": times, **rows}


def saved(events: Interactions) -> Interactions:
    with tempfile.TemporaryDirectory() as folder:
        write_interactions(Path(folder) / "log", events)
        return read_interactions(Path(folder) / "log", events.items)


def test_what_comes_a_microsecond_later_is_the_last_and_no_basket() -> None:
    events = log(user_id=["a"] * 3, item_id=["late", "early", "late too"], timestamp=[*FINE, FINE[0]])
    split = leave_last_out(Dataset.from_interactions(events))
    assert history(split.test.targets) == ["late", "late too"]
    assert history(split.test.histories) == ["early"]
    assert Baskets.of(events).sizes.tolist() == [1, 2]
    far = log(user_id=["a"] * 2, item_id=["late", "early"], timestamp=[t.replace("2026", "4026") for t in FINE])
    assert history(far) == ["early", "late"]  # beyond what 64 bits of nanoseconds hold


def test_what_is_observed_later_leaves_the_order_below_a_millisecond() -> None:
    events = log(user_id=["a"] * 2, item_id=["late", "early"], timestamp=FINE)
    grown = EventLog(events).append(["a"], [Event(0, 0, "event", 1.0, int(events.times[-1]))])
    for whole in (grown.merged(events.items), grown.histories(["a"], events.items)):
        assert history(whole)[:2] == ["early", "late"]
        assert len(history(whole)) == 3
    assert Baskets.of(grown.merged(events.items)).sizes.tolist() == [1, 1, 1]


def test_the_order_holds_for_several_users_with_weights_and_kinds() -> None:
    rng = np.random.default_rng(0)
    n = 400
    times = pd.Timestamp("2026-01-05") + pd.to_timedelta(rng.permutation(n), unit="us")
    users, worth = rng.integers(0, 5, n), rng.integers(1, 9, n)
    frame = pd.DataFrame(
        {"user_id": users, "item_id": rng.integers(0, 9, n), "timestamp": times, "weight": worth, "event": worth}
    )
    events, ordered = Interactions.from_frame(frame), frame.sort_values("timestamp")
    for name in range(5):
        mine = ordered[ordered.user_id == name]
        row = int(events.users.rows([str(name)])[0])
        part = slice(int(events.starts[row]), int(events.starts[row + 1]))
        assert history(events, row) == [str(i) for i in mine.item_id]
        assert events.weights[part].tolist() == mine.weight.tolist()
        assert [events.event_names[t] for t in events.event_types[part]] == [str(w) for w in mine.event]


def test_reviews_inside_one_millisecond_keep_their_order() -> None:
    frame = pd.DataFrame({"item_id": ["x"] * 2, "text": ["late", "early"], "timestamp": pd.to_datetime(FINE)})
    assert Reviews.from_frame(frame).of(0) == ("early", "late")


# ---- types that are known, and those that the file tells


def csv(path: Path, text: str) -> Path:
    (path / "t.csv").write_text(text, encoding="utf-8")
    return path / "t.csv"


def test_known_columns_are_text_whatever_they_look_like(tmp_path: Path) -> None:
    items = "item_id,title,text,category,brand,image\n007,007,2026-01-05,01,1e5,0x10\n8,1984,true,2,NA,9\n"
    read = Catalogue.read(csv(tmp_path, items))
    assert read.items.ids([0, 1]) == ["007", "8"]
    assert read.table.to_pydict() == {
        "title": ["007", "1984"],
        "text": ["2026-01-05", "true"],
        "category": ["01", "2"],
        "brand": ["1e5", "NA"],
        "image": ["0x10", "9"],
    }
    assert mask(read, "category == '01'").tolist() == [True, False]


def test_renamed_columns_are_text_too(tmp_path: Path) -> None:
    path = csv(tmp_path, "sku,name,kind\n01,2026-01-05,007\n")
    read = Catalogue.read(path, columns={"item_id": "sku", "title": "name", "category": "kind"})
    assert (read.texts(), read.column("category")) == (["2026-01-05"], ["007"])
    path = csv(tmp_path, "user_id,item_id,event\n1,01,001\n")
    assert Interactions.read(path).event_names == ("001",)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "-2", ""], [1, -2, None]),
        (["007", "8"], ["007", "8"]),
        (["0x10", "1"], ["0x10", "1"]),
        (["1.5", "2", "NA", "1e3"], [1.5, 2.0, None, 1000.0]),
        (["00.5", "1"], ["00.5", "1"]),
        (["18446744073709551615", "0"], [2**64 - 1, 0]),
        (["99999999999999999999999", "1"], ["99999999999999999999999", "1"]),
        (["true", "False"], [True, False]),
        (["2026-02-31", "2026-01-01"], ["2026-02-31", "2026-01-01"]),
        (["2026-01-01T10:00:00.123456"], [datetime(2026, 1, 1, 10, 0, 0, 123456)]),
        (["inf", "1"], ["inf", "1"]),
        (["1,5"], ["1,5"]),
        (["12:30:00"], ["12:30:00"]),
        (["", "NaN"], [None, None]),
    ],
)
def test_other_columns_are_what_all_of_their_cells_are(tmp_path: Path, cells: list[str], values: list) -> None:
    table = read_table(csv(tmp_path, "k,x\n" + "".join(f'k,"{cell}"\n' for cell in cells)))
    assert table["x"].to_pylist() == values


def test_a_price_that_is_no_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'price', row 1: '0x10'"):
        Catalogue.read(csv(tmp_path, "item_id,price\na,5\nb,0x10\nc,6\n"))


def test_strings_of_json_are_text(tmp_path: Path) -> None:
    rows = [
        {"item_id": "2026-01-05", "title": "2026-01-06T10:00:00", "tags": ["2026-01-07"], "x": {"y": "2026-01-08"}},
        {"item_id": "2026-01-09", "title": "1984", "tags": [], "x": {"y": None}},
    ]
    (tmp_path / "i.jsonl").write_text("\n".join(map(json.dumps, rows)))
    read = Catalogue.read(tmp_path / "i.jsonl")
    assert read.items.ids([0, 1]) == ["2026-01-05", "2026-01-09"]
    assert read.texts() == ["2026-01-06T10:00:00", "1984"]
    assert read.column("tags") == [["2026-01-07"], []]
    assert read.column("x")[0] == {"y": "2026-01-08"}
    fine = [{"user_id": 1, "item_id": i, "timestamp": t} for i, t in zip(["late", "early"], FINE, strict=True)]
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, fine)))
    assert history(Interactions.read(tmp_path / "e.jsonl")) == ["early", "late"]


def test_known_columns_of_frames_are_text() -> None:
    read = shop(item_id=["a", "b"], category=[1.0, np.nan], brand=[3, 4], title=[7.0, None])
    assert read.table.to_pydict() == {"category": ["1", None], "brand": ["3", "4"], "title": ["7", None]}
    with pytest.raises(DataError, match=r"column 'category', row 0: 1\.5"):
        shop(item_id=["a"], category=[1.5])
    lists = Catalogue.from_frame(pa.table({"item_id": ["a", "b"], "category": [[1, 2], None]}))
    assert lists.column("category") == [["1", "2"], None]


# ---- types that are not known


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(pd.period_range("2026-01", periods=2, freq="M")),
        pd.Series(pd.arrays.IntervalArray.from_breaks([0, 1, 2])),
        pd.Series(pd.period_range("2026-01", periods=2, freq="M")).astype("category"),
    ],
    ids=["period", "interval", "category of periods"],
)
@pytest.mark.parametrize("name", ["item_id", "timestamp", "title", "season"])
def test_a_type_of_its_own_is_refused(values, name: str) -> None:
    columns = {"item_id": ["a", "b"], "user_id": ["u", "u"], name: values}
    with pytest.raises(DataError, match=f"column '{name}'"):
        (Interactions if name in ("item_id", "timestamp") else Catalogue).from_frame(pd.DataFrame(columns))


def test_extension_types_of_arrow_are_refused_inside_lists_too() -> None:
    uuids = pa.array([b"0123456789abcdef"], pa.uuid())
    for column in (uuids, pa.ListArray.from_arrays([0, 1], uuids)):
        with pytest.raises(DataError, match=r"column 'x'.*uuid.* does not know"):
            Catalogue.from_frame(pa.table({"item_id": ["a"], "x": column}))


def test_categories_in_lists_are_text() -> None:
    frame = pl.DataFrame(
        {"item_id": ["a", "b", "c"], "category": pl.Series([["x"], None, ["y", "x"]], dtype=pl.List(pl.Categorical))}
    )
    read = Catalogue.from_frame(frame)
    assert read.column("category") == [["x"], None, ["y", "x"]]
    assert mask(read, "category == 'x'").tolist() == [True, False, True]
    assert Attributes.from_catalogue(read, at_least=1).of(2) == ("category=x", "category=y")


def test_whole_numbers_are_ids_in_lists_as_in_tables() -> None:
    items = IdMap.of(["101", "7"])
    assert history(Interactions.from_histories([[101, np.int64(7), "7"]], items=items)) == ["101", "7", "7"]
    assert Attributes.from_lists(items, {101: ["red"]}).of(0) == ("red",)
    for odd in (1.0, None, True, b"7"):
        with pytest.raises(DataError, match="expected text or whole numbers"):
            Interactions.from_histories([["7", odd]], items=items)


# ---- numbers as they are


def test_narrow_floats_stand_for_the_decimal_they_were() -> None:
    for kind in (np.float32, np.float16):
        read = shop(item_id=["a", "b"], price=np.array([19.9, 5], kind), score=np.array([0.1, np.nan], kind))
        assert read.column("price") == [19.9, 5.0]
        assert read.column("score") == [0.1, None]
        assert mask(read, "price >= 19.9 and price <= 19.9 and price == 19.9").tolist() == [True, False]
    large = shop(item_id=["a"], x=np.array([2.0**53], np.float32))
    assert large.column("x") == [2.0**53]
    bare = Catalogue(IdMap.of(["a"]), pa.table({"price": pa.array([19.9], pa.float32())}))
    assert mask(bare, "price == 19.9").tolist() == [True]


def test_whole_numbers_are_compared_exactly() -> None:
    read = shop(item_id=["a"], n=[2**53 + 1])
    for text, right in [("n > 1.5", True), ("n == 9007199254740992", False), ("n > 9007199254740992.0", True)]:
        assert mask(read, text).tolist() == [right], text
    wide = shop(item_id=["a", "b"], n=np.array([2**64 - 1, 2**63], np.uint64))
    assert mask(wide, "n == 18446744073709551615").tolist() == [True, False]
    assert mask(wide, "n > 18446744073709551614").tolist() == [True, False]
    assert mask(wide, "n in [9223372036854775808]").tolist() == [False, True]
    zero = shop(item_id=["a", "b"], x=[-0.0, 5.0])
    assert mask(zero, "x in [0, 7]").tolist() == mask(zero, "x == 0").tolist() == [True, False]


# ---- masks are not rows, times are not numbers


def test_masks_and_fractions_are_not_rows() -> None:
    read = shop(item_id=["a", "b", "c"], price=[1, 2, 300])
    events = log(user_id=["u", "v"], item_id=["a", "b"])
    facts = Attributes.from_catalogue(read, at_least=1)
    chosen = mask(read, "price < 100")
    for take in (read.items.ids, read.items.take, read.take, facts.take):
        for rows in (chosen, [0.0, 1.0], np.array(["2026-01-01"], "datetime64[ms]"), ["a"]):
            with pytest.raises(DataError):
                take(rows)
        take([0, 2])
        take(np.array([1], np.uint8))
        take([])
    for rows in ([True, False], [0.5], np.array([2**64 - 1], np.uint64)):
        with pytest.raises(DataError):
            events.take(rows)
    for odd in (np.ones(2, int), np.ones(3, bool), [1, 0], np.ones(2)):
        with pytest.raises(DataError, match="expected a mask"):
            events.keep(odd)
    assert events.keep([True, False]).n_events == 1


def test_times_of_arrays_are_milliseconds_or_datetimes() -> None:
    users, items, rows = IdMap.of(["u"]), IdMap.of(["a", "b"]), np.zeros(2, int)
    for unit in ("ns", "us", "ms"):
        stamps = np.array(FINE, f"datetime64[{unit}]")
        events = Interactions.from_events(users, items, rows, np.array([0, 1]), times=stamps)
        assert events.times.tolist() == [1767607200000] * 2
        assert events.items_flat.tolist() == ([0, 1] if unit == "ms" else [1, 0])
    nat = np.array(["2026-01-01", "NaT"], "datetime64[s]")
    for odd in (np.array([1.0, np.nan]), nat, nat.astype(np.int64), [1.5, 2.5], [True, False]):
        with pytest.raises(DataError, match=r"times|NaT"):
            Interactions.from_events(users, items, rows, np.array([0, 1]), times=odd)
    with pytest.raises(DataError, match="items_flat"):
        Interactions.from_events(users, items, rows, np.array([0.0, 1.9]))


def test_a_negative_weight_is_kept() -> None:
    events = log(user_id=["u", "u"], item_id=["a", "b"], weight=[2.0, -1.0])
    assert events.matrix().toarray().tolist() == [[2.0, -1.0]]


# ---- a null is unknown


def test_unknown_times_are_those_of_the_users_own_rows() -> None:
    events = log(
        user_id=["u", "v", "u", "w", "v", "u"],
        item_id=["a", "b", "c", "d", "e", "f"],
        timestamp=[None, 50, 20, None, None, None],
    )
    rows = dict(zip(["u", "v", "w"], range(3), strict=True))
    assert [history(events, rows[u]) for u in "uvw"] == [["a", "c", "f"], ["b", "e"], ["d"]]
    assert events.times.tolist() == [20_000, 20_000, 20_000, 50_000, 50_000, 20_000]


def test_unknown_times_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        log(user_id=["u", "u"], item_id=["a", "b"], timestamp=[1, None])
    assert "column 'timestamp': 1 of 2 times are unknown" in caplog.text


def test_blanks_of_recbole_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "a.item").write_text("item_id:token\tcategory:token\ttags:token_seq\n1\t\t\n2\tx\ty z\n")
    read = recbole_catalogue(tmp_path / "a.item")
    assert read.column("category") == [None, "x"]
    assert read.column("tags") == [None, ["y", "z"]]
    (tmp_path / "a.inter").write_text("user_id:token\titem_id:token\trating:float\n1\t2\t\n")
    assert recbole_interactions(tmp_path / "a.inter").weights.tolist() == [1.0]
    (tmp_path / "b.inter").write_text("user_id:token\titem_id:token\n1\t\n")
    with pytest.raises(DataError, match="column 'item_id', row 0: null"):
        recbole_interactions(tmp_path / "b.inter")


@pytest.mark.parametrize("seconds", [2**62, 2**55, 10**12])
@pytest.mark.parametrize("year", [2014, 2018, 2023])
def test_times_of_amazon_that_cannot_be_are_refused(tmp_path: Path, seconds: int, year) -> None:
    row = {"reviewerID": "u", "asin": "a", "overall": 5.0, "unixReviewTime": seconds, "reviewText": "good"}
    row |= {"user_id": "u", "parent_asin": "a", "rating": 5.0, "timestamp": seconds * 1000, "text": "good"}
    (tmp_path / "r.json").write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=r"5138|64 bits"):
        amazon_reviews(tmp_path / "r.json", year)


# ---- pictures


def test_names_in_another_unicode_form_meet(tmp_path: Path) -> None:
    apart, one = unicodedata.normalize("NFD", "café"), unicodedata.normalize("NFC", "café")
    (tmp_path / f"{apart}.jpg").write_bytes(b"")
    for name in (apart, one):
        assert Catalogue.from_frame(pa.table({"item_id": [name]}), images=tmp_path).images()[0] is not None
        by_path = pa.table({"item_id": ["x"], "image": [f"{name}.jpg"]})
        assert Catalogue.from_frame(by_path, images=tmp_path).images()[0] is not None


def test_two_pictures_of_one_item_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"'a.jpg' and 'a.png' are both named like item 'a'"):
        Catalogue.from_frame(pa.table({"item_id": ["a"]}), images=tmp_path)
    assert Catalogue.from_frame(pa.table({"item_id": ["b"]}), images=tmp_path).images() == [None]


def test_how_many_items_have_a_picture_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = pa.table({"item_id": ["a", "b"]})
    with caplog.at_level(logging.INFO):
        Catalogue.from_frame(frame, images=tmp_path)
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "0 of 2 items have a picture" in caplog.text
    caplog.clear()
    (tmp_path / "a.avif").write_bytes(b"")
    with caplog.at_level(logging.INFO):
        Catalogue.from_frame(frame, images=tmp_path)
    assert [(r.levelname, "1 of 2 items" in r.getMessage()) for r in caplog.records] == [("INFO", True)]


def test_a_picture_whose_name_is_no_text_is_nobodys(tmp_path: Path) -> None:
    try:
        (tmp_path / "a\udcff.jpg").write_bytes(b"")
    except (OSError, UnicodeError):
        pytest.skip("this disk has no such names")
    (tmp_path / "b.jpg").write_bytes(b"")
    assert Catalogue.from_frame(pa.table({"item_id": ["a", "b"]}), images=tmp_path).images()[0] is None


# ---- markup


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("<p>&nbsp;</p>", ""),
        ("<p>Wool&nbsp;coat</p>\n<ul><li>warm</li><li>long</li></ul>", "Wool coat\nwarm\nlong"),
        ('<a href="x">R&amp;D</a> <b>bold</b>ly', "R&D boldly"),
        ("&lt;p&gt;escaped&lt;/p&gt; twice &amp;amp; more", "escaped\ntwice & more"),
        ("<script>alert('x < y')</script>red<style>p {}</style>", "red"),
        ("<!-- no --> yes", "yes"),
        ("&#31186;&#x79D2;&euro;", "秒秒€"),
        ("<P CLASS='a'>Big</P>", "Big"),
        ("<br/>a<br />b", "a\nb"),
        ("I <3 R&D; a<b and c>d, AT&T", "I <3 R&D; a<b and c>d, AT&T"),
        ("<unknown>", "<unknown>"),
        ("black&notwhite salt&pepper", "black&notwhite salt&pepper"),
        ("  two  spaces  ", "  two  spaces  "),
        ("&#xD83D; &#0;", "\ufffd \ufffd"),
    ],
)
def test_markup_is_taken_out_and_nothing_else(text: str, clean: str) -> None:
    assert clean_markup(text) == clean
    assert shop(item_id=["a"], title=[text], text=["x"]).column("title") == [clean or None]
    assert Reviews.from_frame(pd.DataFrame({"item_id": ["a"], "text": [text]})).texts == (clean,)


@pytest.mark.parametrize(
    "piece", ["<!--", "<script>", "<p", "<p x=", "&amp;", "<", '<a href="', "<style ", "&#", "<b>"]
)
def test_markup_takes_linear_time(piece: str) -> None:
    start = time.perf_counter()
    clean_markup(piece * (1_000_000 // len(piece)))
    assert time.perf_counter() - start < 8


def test_what_was_cleaned_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        shop(item_id=["a", "b"], text=["<p>x</p>", "y"])
    assert "column 'text': markup was taken out of 1 of 2 texts" in caplog.text


# ---- wide tables, bombs


def test_wide_tables_take_linear_time(tmp_path: Path) -> None:
    names = ["item_id", *(f"c{i}" for i in range(4000))]
    path = csv(tmp_path, ",".join(names) + "\n" + "\n".join(",".join("7" for _ in names) + str(r) for r in range(5)))
    frame = pd.DataFrame([range(4001)] * 3, columns=names)
    frame["item_id"] = ["a", "b", "c"]
    start = time.process_time()
    with pytest.raises(DataError, match="'7' at row 1"):
        Catalogue.read(path)
    assert len(Catalogue.from_frame(frame).table.column_names) == 4000
    assert time.process_time() - start < 15


@pytest.mark.parametrize(
    "deep", ["[" * 10_000, '{"a": ' * 10_000, "[" * 10_000 + "]" * 10_000, "[[" * 100 + "]]" * 100]
)
def test_nested_json_is_refused_at_once(tmp_path: Path, deep: str) -> None:
    line = '{"item_id": "a", "x": ' + deep + "}\n"
    for name in ("a.jsonl", "a.ndjson"):
        (tmp_path / name).write_text('{"item_id": "b", "x": "[[["}\n' + line)
        with pytest.raises(DataError, match="line 2: lists in lists more than 64 deep"):
            read_table(tmp_path / name)
    with pytest.raises(DataError, match="line 2: lists in lists more than 64 deep"):
        list(json_objects(tmp_path / "a.jsonl"))
    for literals in (line, "{'a': " + "-" * 100_000 + "1}\n", "{'a': " + "not " * 50_000 + "1}\n", "(" * 200_000):
        (tmp_path / "literals").write_text(literals)
        with pytest.raises(DataError, match="line 1"):
            list(json_objects(tmp_path / "literals", literals=True))
    (tmp_path / "facts.json").write_text(deep)
    with pytest.raises(DataError, match=r"facts\.json"):
        s3rec_attributes(tmp_path / "facts.json", IdMap.of(["a"]))
    (tmp_path / "amazon.json").write_text('{"reviewerID": ' + deep + "}\n")
    with pytest.raises(DataError, match=r"amazon\.json, line 1"):
        amazon_reviews(tmp_path / "amazon.json", 2018)


def test_brackets_inside_strings_are_text(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"item_id": "a", "title": "[{" * 500 + '"\\'}) + "\n")
    assert len(Catalogue.read(tmp_path / "a.jsonl").texts()[0]) == 1002


def test_packed_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmreco.tables.lines._ALWAYS_UNPACKED", 1 << 20)
    monkeypatch.setattr("mmreco.tables.lines._LONGEST_LINE", 1 << 16)
    for content, said in ((b'{"a": 1}\n' * 10_000_000, "unpacks to more than"), (b"x" * (1 << 20), "KiB|MiB")):
        with gzip.open(tmp_path / "a.json.gz", "wb") as file:
            file.write(content)
        with pytest.raises(DataError, match=rf"a\.json\.gz.*({said})"):
            list(lines(tmp_path / "a.json.gz"))
    monkeypatch.setattr("mmreco.tables.lines._MOST_BLANK", 1_000)
    (tmp_path / "blank.json").write_bytes(b" \n" * 1_001)
    with pytest.raises(DataError, match=r"blank\.json, line 1001: more than 1,000 blank lines"):
        list(lines(tmp_path / "blank.json"))
    with gzip.open(tmp_path / "u.inter.gz", "wb") as file:
        file.write(b"user_id:token\titem_id:token\n" + b"1\t2\n" * 30_000_000)
    with pytest.raises(DataError, match="unpacks to more than"):
        recbole_interactions(tmp_path / "u.inter.gz")


def test_a_parquet_file_of_more_rows_than_can_be_is_refused(tmp_path: Path) -> None:
    class Fake:
        def __init__(self, path: Path) -> None:
            self.metadata = type("Said", (), {"num_rows": 1 << 50, "num_columns": 3})()

    (tmp_path / "a.parquet").write_bytes(b"PAR1" * 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pq, "ParquetFile", Fake)
        with pytest.raises(DataError, match="that is not a table"):
            read_table(tmp_path / "a.parquet")


# ---- numbers that write a calendar, names that are one name, values that are none


@pytest.mark.parametrize("number", [20260131, 20260131103000, "20260131", 20260131.0, np.int32(20260131)])
def test_dates_written_as_numbers_are_not_seconds(number: Any) -> None:
    with pytest.raises(DataError, match=r"'timestamp', row 0: .*2026"):
        log(user_id=["a", "b"], item_id=["x", "x"], timestamp=[number, None] if number != "20260131" else [number] * 2)
    with pytest.raises(DataError, match="'created'"):
        shop(item_id=["x"], created=[number])


def test_years_are_no_seconds() -> None:
    with pytest.raises(DataError, match=r"'created', row 1: 1999, which looks like a year; .*'1999-01-01'"):
        shop(item_id=["x", "y", "z"], created=[None, 1999, 2026])
    assert log(user_id=["a"], item_id=["x"], timestamp=[20263131]).times.tolist() == [20263131000]  # no date
    assert log(user_id=["a"] * 2, item_id=["x"] * 2, timestamp=[20260131, 1767607200]).times[0] == 20260131000


def test_names_that_are_one_name_as_text_are_refused() -> None:
    with pytest.raises(DataError, match="2 columns of the name '1'"):
        Catalogue.from_frame(pd.DataFrame([["a", 1, 2]], columns=["item_id", 1, "1"]))


@pytest.mark.parametrize(
    "category",
    [
        pl.Series([["a", "b"], ["c", "d"]], dtype=pl.Array(pl.String, 2)),
        pa.array([["a", "b"], ["c", "d"]], pa.list_view(pa.string())),
        pa.array([["a", "b"], ["c", "d"]], pa.large_list_view(pa.string())),
        pa.array([["a", "b"], None, ["c", "d"]], pa.list_(pa.string(), 2)).drop_null(),
        pa.array([None, ["a", "b"], ["c", "d"]], pa.list_view(pa.string()))[1:],
    ],
)
def test_lists_of_every_layout_are_lists(category: Any) -> None:
    library = pl.DataFrame if isinstance(category, pl.Series) else pa.table
    read = Catalogue.from_frame(library({"item_id": ["x", "y"], "category": category}))
    assert read.column("category") == [["a", "b"], ["c", "d"]]
    assert mask(read, "category == 'c'").tolist() == [False, True]


def test_runs_are_decoded() -> None:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1, 3], pa.int32()), pa.array(["a", "b"]))
    read = Catalogue.from_frame(pa.table({"item_id": ["x", "y", "z"], "brand": runs, "size": runs}))
    assert read.column("brand") == read.column("size") == ["a", "b", "b"]
    assert mask(read, "size == 'b'").tolist() == [False, True, True]


def test_whole_numbers_of_json_are_not_rounded(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text('{"item_id": 18446744073709551615, "n": 18446744073709551613}\n{"item_id": 1, "n": 2}\n')
    read = Catalogue.read(file)
    assert (read.items.ids([0, 1]), read.column("n")) == (["18446744073709551615", "1"], [2**64 - 3, 2])
    file.write_text('{"item_id": "a", "n": 184467440737095516150, "day": "2026-01-05"}\n')
    assert Catalogue.read(file).table.to_pydict() == {"n": [184467440737095516150.0], "day": ["2026-01-05"]}


def test_blank_and_missing_values_of_public_formats_are_no_values(tmp_path: Path) -> None:
    item = {"asin": "a", "category": [None, "x", ""], "description": [None, "d"]}
    (tmp_path / "a.json").write_text(json.dumps(item))
    read = amazon_catalogue(tmp_path / "a.json", 2018)
    assert (read.column("category"), read.column("text")) == ([["x"]], ["d"])
    (tmp_path / "m.csv").write_text("movieId,title,genres\n1,Heat,\n2,X,A||B|\n3,Y,(no genres listed)\n")
    assert movielens_catalogue(tmp_path / "m.csv").column("category") == [None, ["A", "B"], None]


@pytest.mark.parametrize(
    "odd", [{"price": True}, {"category": {"x": 1}}, {"description": [{"a": 1}]}, {"title": ["x", 5]}]
)
def test_values_of_amazon_of_another_kind_are_refused(tmp_path: Path, odd: dict[str, Any]) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"asin": "a", **odd}))
    with pytest.raises(DataError, match=r"a.json, line 1: no Amazon item of 2018"):
        amazon_catalogue(tmp_path / "a.json", 2018)


def test_seconds_where_amazon_has_milliseconds_are_told(tmp_path: Path) -> None:
    row = {"user_id": "u", "parent_asin": "a", "rating": 5.0, "timestamp": 1_400_000_000, "title": "s", "text": "t"}
    (tmp_path / "r.json").write_text(json.dumps(row))
    with pytest.raises(DataError, match=r"1970-01-17.*; are its times milliseconds, as those of 2023"):
        amazon_reviews(tmp_path / "r.json", 2023)


def test_lines_of_amazon_are_read_alike_fast_and_one_by_one(tmp_path: Path) -> None:
    row = {"reviewerID": "u", "asin": "a", "overall": 5.0, "unixReviewTime": 1_400_000_000, "summary": "s"}
    odd = {**row, "helpful": None}
    for others in ([], [{**row, "overall": "4", "helpful": [2, 3]}]):  # text makes it read one by one
        (tmp_path / "r.json").write_text("\n".join(json.dumps(r) for r in [odd, *others]))
        assert amazon_reviews(tmp_path / "r.json", 2014).helpful.tolist() == [0, 2][: 1 + len(others)]
    (tmp_path / "r.json").write_text(json.dumps({**row, "unixReviewTime": True}))
    with pytest.raises(DataError, match=r"line 1: .*True is not a number"):
        amazon_reviews(tmp_path / "r.json", 2014)


def test_a_byte_order_mark_is_no_part_of_an_id(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    (tmp_path / "m.dat").write_bytes(mark + "1::Amélie (2001)::Drama\n".encode())  # UTF-8, as MovieLens-10M is
    films = movielens_catalogue(tmp_path / "m.dat")
    assert (films.items.ids([0]), films.column("title")) == (["1"], ["Amélie"])
    (tmp_path / "m.dat").write_bytes("1::Amélie (2001)::Drama\n".encode("latin-1"))
    assert movielens_catalogue(tmp_path / "m.dat").column("title") == ["Amélie"]
    (tmp_path / "r.dat").write_bytes(mark + b"1::2::5::978300760\n")
    assert movielens_interactions(tmp_path / "r.dat").users.ids([0]) == ["1"]
    (tmp_path / "s.txt").write_bytes(mark + b"1 2 3\n")
    assert s3rec_interactions(tmp_path / "s.txt").users.ids([0]) == ["1"]
    (tmp_path / "a.json").write_bytes(mark + b'{"asin": "a"}')
    assert amazon_catalogue(tmp_path / "a.json", 2018).items.ids([0]) == ["a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [('{"1": [null]}', "'1' has None"), ('{"1": [true]}', "True"), ('{"1": ["x"], "1": ["y"]}', "'1' comes twice")],
)
def test_attributes_of_s3rec_are_not_guessed(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(DataError, match=expected):
        s3rec_attributes(tmp_path / "s.json", IdMap.of(["1"]))


def test_two_columns_of_recbole_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.item").write_text("item_id:token\tx:float\tx:token\na\t1\tq\n")
    with pytest.raises(DataError, match="column 'x' appears twice"):
        recbole_catalogue(tmp_path / "x.item")


def test_a_quote_of_movielens_swallows_no_film(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text('movieId,title,genres\n1,"Heat (1995),A\n2,X,B\n3,"Y",C\n')
    with pytest.raises(DataError, match=r"m.csv, line 2"):
        movielens_catalogue(tmp_path / "m.csv")
