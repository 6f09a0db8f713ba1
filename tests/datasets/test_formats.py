"""Public data sets' own formats."""

import gzip
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmreco.data.ids import IdMap
from mmreco.datasets import amazon, movielens, recbole, s3rec
from mmreco.errors import DataError

OLD = {
    "reviewerID": "A1",
    "asin": "B01",
    "reviewerName": "x",
    "helpful": [2, 3],
    "reviewText": "great",
    "overall": 5.0,
    "summary": "Good",
    "unixReviewTime": 1_400_000_000,
}
PLAIN = {k: v for k, v in OLD.items() if k != "helpful"}
NEW = {
    "rating": 4.0,
    "title": "Good",
    "text": "great",
    "images": [],
    "asin": "B01v",
    "parent_asin": "B01",
    "user_id": "A1",
    "timestamp": 1_400_000_000_123,
    "helpful_vote": 2,
}


def put(path: Path, *lines: Any) -> Path:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


class TestAmazon:
    @pytest.mark.parametrize(
        ("year", "first", "second", "times", "stars"),
        [
            (2014, OLD, {**OLD, "reviewerID": "A2", "helpful": [0, 0]}, [1_400_000_000_000] * 2, [5, 5]),
            (2018, {**PLAIN, "vote": "2"}, {**PLAIN, "reviewerID": "A2"}, [1_400_000_000_000] * 2, [5, 5]),
            (2023, NEW, {**NEW, "user_id": "A2", "helpful_vote": 0}, [1_400_000_000_123] * 2, [4, 4]),
        ],
    )
    def test_reviews(self, tmp_path: Path, year: Any, first: Any, second: Any, times: Any, stars: Any) -> None:
        said = amazon.amazon_reviews(put(tmp_path / "r.json.gz", first, "", second), year)
        assert said.items.ids([0]) == ["B01"]
        assert said.texts == ("Good\ngreat", "Good\ngreat")
        assert (said.ratings.tolist(), said.helpful.tolist()) == (stars, [2, 0])
        assert said.times is not None
        assert said.times.tolist() == times
        events = said.interactions()
        assert events.users.ids([0, 1]) == ["A1", "A2"]
        assert (events.event_names, events.n_events) == (("review",), 2)

    @pytest.mark.parametrize("year", [2014, 2018, 2023])
    def test_the_fast_reader_and_the_slow_one_agree(self, tmp_path: Path, year: Any) -> None:
        base: dict[str, Any] = {2014: OLD, 2018: {**PLAIN, "vote": "1,234"}, 2023: NEW}[year]
        words = {"text": "", "title": None} if year == 2023 else {"reviewText": "", "summary": "红\n🙂"}
        bare = {k: v for k, v in base.items() if k not in ("summary", "reviewText", "text", "title", "vote")}
        path = put(tmp_path / "r.json.gz", base, "", {**base, **words}, bare)
        fast, slow = amazon._fast(path, year), amazon._one_by_one(path, year)
        assert fast is not None
        assert fast.select(slow.column_names).to_pylist() == slow.to_pylist()

    def test_votes_of_2018_are_text_with_commas_and_words_may_lack(self, tmp_path: Path) -> None:
        bare = {k: OLD[k] for k in ("reviewerID", "asin", "overall", "unixReviewTime")}
        said = amazon.amazon_reviews(put(tmp_path / "r.json", {**bare, "vote": "1,234"}, bare), 2018)
        assert (said.helpful.tolist(), said.texts) == ([1234, 0], ("", ""))

    def test_metadata_of_2014_are_python_literals(self, tmp_path: Path) -> None:
        line = (
            "{'asin': 'B01', 'title': \"It's\", 'price': 12.5, 'categories': [['Beauty', 'Hair']], "
            "'brand': 'Acme', 'imUrl': 'http://x/1.jpg', 'description': 'd', 'salesRank': {'Beauty': 5}}"
        )
        shop = amazon.amazon_catalogue(put(tmp_path / "meta.json", line, "{'asin': 'B02'}", "{'asin': 'B01'}"), 2014)
        assert shop.items.ids([0, 1]) == ["B01", "B02"]
        assert shop.table.to_pylist()[0] == {
            "title": "It's",
            "text": "d",
            "brand": "Acme",
            "category": ["Beauty", "Hair"],
            "price": 12.5,
            "image": "http://x/1.jpg",
        }
        assert shop.column("title")[1] is None

    def test_metadata_of_2018_and_2023(self, tmp_path: Path) -> None:
        old = {"asin": "B", "title": "T", "description": ["a", "b"], "category": ["x"], "price": "$1,012.50"}
        shop = amazon.amazon_catalogue(
            put(tmp_path / "a.json", {**old, "imageURL": ["u"]}, {**old, "asin": "C", "price": "$1 - $2"}), 2018
        )
        assert shop.texts() == ["T\na\nb"] * 2
        assert (shop.column("price"), shop.column("image")) == ([1012.5, None], ["u", None])
        new = {"parent_asin": "B", "title": "T", "description": [], "categories": ["x"], "price": 3, "store": "S"}
        shop = amazon.amazon_catalogue(
            put(tmp_path / "b.jsonl", {**new, "images": [{"large": "v", "thumb": "w"}]}), 2023
        )
        assert [shop.column(c)[0] for c in ("price", "image", "brand", "category")] == [3.0, "v", "S", ["x"]]

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("{", "line 2: no JSON"),
            ("[1]", "line 2: a list; expected an object"),
            ({k: v for k, v in OLD.items() if k != "asin"}, "line 2: .*no 'asin'"),
            ({**OLD, "overall": "five"}, "line 2: .*'five'"),
            ({**OLD, "asin": 7}, "line 2: .*7 is not an id"),
            ({**OLD, "overall": None}, "line 2: "),
            ({**OLD, "helpful": []}, "line 2: "),
            ({**OLD, "overall": 9.0}, "column 'rating', row 1: 9.0"),
            (json.dumps({**OLD, "reviewText": "\ud800"}), "object 2: text cannot be written as UTF-8"),
        ],
    )
    def test_bad_lines_are_refused_by_number(self, tmp_path: Path, line: Any, said: str) -> None:
        with pytest.raises(DataError, match=rf"r\.json.*{said}"):
            amazon.amazon_reviews(put(tmp_path / "r.json", OLD, line), 2014)

    @pytest.mark.parametrize(
        "line", ["__import__('os').system('x')", "{'asin': open('x')}", "(" * 5_000, "{'asin': 1}"]
    )
    def test_literals_are_never_evaluated(self, tmp_path: Path, line: str) -> None:
        with pytest.raises(DataError, match="line 1"):
            amazon.amazon_catalogue(put(tmp_path / "m.json", line), 2014)

    def test_other_years_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="year=2020: expected one of 2014, 2018, 2023"):
            amazon.amazon_reviews(tmp_path / "r.json", 2020)  # type: ignore[arg-type]

    def test_a_damaged_archive_is_refused(self, tmp_path: Path) -> None:
        path = put(tmp_path / "r.json.gz", *[OLD] * 100)
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(DataError, match="the archive is damaged"):
            amazon.amazon_reviews(path, 2014)

    def test_fifty_thousand_reviews_take_a_moment(self, tmp_path: Path) -> None:
        path = put(tmp_path / "r.json", *[json.dumps({**NEW, "user_id": f"u{i % 997}"}) for i in range(50_000)])
        start = time.perf_counter()
        assert len(amazon.amazon_reviews(path, 2023)) == 50_000
        assert time.perf_counter() - start < 10  # about 0.1 seconds on an idle core


class TestMovieLens:
    FILMS = ("1::Heat (1995)::Action|Crime", "2::Toy Story (1995)::Animation", "3::Rare (1990)::Drama")

    def test_a_folder_of_its_own_files(self, tmp_path: Path) -> None:
        put(tmp_path / "movies.dat", *self.FILMS)
        put(tmp_path / "ratings.dat", "1::2::5::30", "1::1::3::20", "2::1::4::10", "2::3::4::11", "3::2::1::9")
        shop = movielens.movielens(tmp_path, at_least=2)
        films, events = shop.catalogue, shop.interactions
        assert films.items.ids([0, 1]) == ["1", "2"]
        assert films.column("category") == [["Action", "Crime"], ["Animation"]]
        assert events.items == films.items
        assert [events.items.ids(events.history(u)) for u in range(3)] == [["1", "2"], ["1"], ["2"]]
        assert events.times is not None
        assert events.times.tolist() == [20_000, 30_000, 10_000, 9_000]
        assert events.weights.tolist() == [1] * 4
        assert len(movielens.movielens(tmp_path, at_least=1)) == 3

    def test_ratings_in_order_get_the_times_they_lack(self, tmp_path: Path) -> None:
        put(tmp_path / "movies.dat", *self.FILMS)
        rows = [  # user, film, place, seconds
            (1, 2, 1, None), (1, 1, 0, None), (1, 3, 2, 30), (1, 2, 3, None),
            (2, 1, 0, None), (2, 2, 1, None),
            (3, 1, 0, 70), (3, 2, -1, None),
        ]  # fmt: skip
        names = ("user", "movie", "pos", "timestamp")
        columns = zip(names, zip(*rows, strict=True), strict=True)
        table = pa.table({name: pa.array(column, pa.int64()) for name, column in columns})
        pq.write_table(table, tmp_path / "ml1m_interactions.parquet")
        (tmp_path / "posters").mkdir()
        (tmp_path / "posters" / "2.jpg").write_bytes(b"a picture")
        shop = movielens.movielens(tmp_path, at_least=1)
        films, events = shop.catalogue, shop.interactions
        assert [events.items.ids(events.history(u)) for u in range(3)] == [["1", "2", "2", "3"], ["1", "2"], ["1"]]
        assert events.times is not None
        assert events.times.tolist() == [30_000] * 4 + [70_000] * 3  # of the one after, the one before, a neighbour
        assert films.images() == [None, tmp_path / "posters" / "2.jpg", None]

    def test_a_folder_without_them(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"movies\.dat"):
            movielens.movielens(tmp_path)
        with pytest.raises(DataError, match="at_least=0"):
            movielens.movielens(tmp_path, at_least=0)
        put(tmp_path / "movies.dat", *self.FILMS)
        with pytest.raises(DataError, match=r"ratings\.dat"):
            movielens.movielens(tmp_path)
        empty = {name: pa.array([], pa.int64()) for name in ("user", "movie", "pos", "timestamp")}
        pq.write_table(pa.table(empty), tmp_path / "ml1m_interactions.parquet")
        with pytest.raises(DataError, match="no timestamp at all"):
            movielens.movielens(tmp_path)

    def test_dat_and_csv_are_the_same_ratings(self, tmp_path: Path) -> None:
        dat = put(tmp_path / "ratings.dat", "1::1193::5::978300760", "1::661::3::978302109", "2::661::4::978300000")
        csv = put(
            tmp_path / "ratings.csv",
            "userId,movieId,rating,timestamp",
            "1,1193,5.0,978300760",
            "1,661,3.0,978302109",
            "2,661,4.0,978300000",
        )
        for path in (dat, csv):
            events = movielens.movielens_interactions(path)
            assert events.items.ids(events.history(0)) == ["1193", "661"]
            assert events.weights.tolist() == [5, 3, 4]
            assert events.times is not None
            assert events.times[0] == 978_300_760_000
            assert events.event_names == ("rating",)

    def test_films(self, tmp_path: Path) -> None:
        dat = tmp_path / "movies.dat"
        dat.write_bytes('1::Été, L\' (1995)::Drama|Comedy\n2::"Quoted" (1999)::Drama\n'.encode("latin-1"))
        csv = put(
            tmp_path / "movies.csv",
            "movieId,title,genres",
            '1,"Été, L\' (1995)",Drama|Comedy',
            '2,"""Quoted""",(no genres listed)',
        )
        first, second = movielens.movielens_catalogue(dat), movielens.movielens_catalogue(csv)
        assert first.column("title") == second.column("title") == ["Été, L'", '"Quoted"']
        assert (first.column("year"), second.column("year")) == ([1995, 1999], [1995, None])
        assert first.column("category") == [["Drama", "Comedy"], ["Drama"]]
        assert second.column("category")[1] is None

    def test_users_are_read_with_what_is_known_of_them(self, tmp_path: Path) -> None:
        path = tmp_path / "users.dat"
        path.write_text("1::F::1::10::48067\n2::M::56::16::02139-1234\n", encoding="latin-1")
        users = movielens.movielens_users(path)
        assert users.ids.array.to_pylist() == ["1", "2"]
        assert users.table.to_pylist() == [
            {"gender": "F", "age": "1", "occupation": "10", "region": "4"},
            {"gender": "M", "age": "56", "occupation": "16", "region": "0"},
        ]

    @pytest.mark.parametrize(
        ("name", "lines", "said"),
        [
            ("ratings.dat", ["1::2::3::4", "1::2::3"], "line 2"),
            ("ratings.dat", ["1::2::3::4", "1::2::x::4"], "line 2"),
            ("ratings.csv", ["user,movie", "1,2"], "userId"),
            ("ratings.csv", [""], "empty"),
            ("ratings.txt", ["1"], r"kind '.txt'"),
            ("ratings.dat", ["1::2::-3::4"], "column 'rating', row 0"),
        ],
    )
    def test_bad_files_are_refused(self, tmp_path: Path, name: str, lines: list[str], said: str) -> None:
        with pytest.raises(DataError, match=f"{name}.*{said}"):
            movielens.movielens_interactions(put(tmp_path / name, *lines))


class TestRecBole:
    def test_interactions_and_items(self, tmp_path: Path) -> None:
        inter = put(
            tmp_path / "x.inter",
            "user_id:token\titem_id:token\trating:float\ttimestamp:float",
            "u\t007\t4.5\t978300760",
            "u\t8\t2\t978300000",
        )
        events = recbole.recbole_interactions(inter)
        assert events.items.ids(events.history(0)) == ["8", "007"]
        assert events.weights.tolist() == [2, 4.5]
        item = put(
            tmp_path / "x.item",
            "item_id:token\ttitle:token_seq\tclass:token_seq\tprice:float\tvector:float_seq",
            '007\tThe "Hat\tA B\t1.5\t0.5 1',
            "8\t\t\t\t",
        )
        shop = recbole.recbole_catalogue(item)
        assert shop.table.to_pylist()[0] == {
            "title": 'The "Hat',
            "class": ["A", "B"],
            "price": 1.5,
            "vector": [0.5, 1.0],
        }
        assert shop.column("class")[1] is None
        assert shop.texts()[1] is None

    def test_blanks_are_no_values(self, tmp_path: Path) -> None:
        header = "item_id:token\tbrand:token\ttags:token_seq\tvector:float_seq"
        item = put(tmp_path / "x.item", header, "a\t \t p  q \t1  2 ", "b\tx\t \t ")
        shop = recbole.recbole_catalogue(item)
        assert shop.column("brand") == [None, "x"]
        assert shop.column("tags") == [["p", "q"], None]
        assert shop.column("vector") == [[1.0, 2.0], None]
        with pytest.raises(DataError, match=r"x.item: column 'vector': .*'y'.* expected numbers"):
            recbole.recbole_catalogue(put(tmp_path / "x.item", header, "a\tx\tp\t1 y"))

    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            (["user_id\titem_id", "u\ta"], "line 1: .* no RecBole header"),
            (["user_id:token\tx:float", "u\t1"], "line 1: no column 'item_id'"),
            (["user_id:token\titem_id:token", "u\ta", "u"], "line 3"),
            (["user_id:token\titem_id:token\trating:float", "u\ta\tmany"], "line 2"),
        ],
    )
    def test_bad_files_are_refused(self, tmp_path: Path, lines: list[str], said: str) -> None:
        with pytest.raises(DataError, match=f"x.inter.*{said}"):
            recbole.recbole_interactions(put(tmp_path / "x.inter", *lines))


class TestS3Rec:
    def test_sequences_and_attributes(self, tmp_path: Path) -> None:
        path = put(tmp_path / "s.txt", "1 10 11 10", "2 12", "3")
        events = s3rec.s3rec_interactions(path)
        assert [events.items.ids(events.history(u)) for u in range(3)] == [["10", "11", "10"], ["12"], []]
        assert events.times is None
        facts = s3rec.s3rec_attributes(put(tmp_path / "a.json", {"10": [3, 4], "12": [3], "99": [5]}), events.items)
        assert [facts.of(r) for r in range(3)] == [("3", "4"), (), ("3",)]

    def test_unknown_items_are_dropped_and_counted(self, tmp_path: Path) -> None:
        events = s3rec.s3rec_interactions(put(tmp_path / "s.txt", "1 10 11"), items=IdMap.of(["11"]))
        assert (events.history(0).tolist(), events.dropped) == ([0], 1)

    @pytest.mark.parametrize(
        ("made", "said"),
        [
            (lambda p: s3rec.s3rec_interactions(put(p, "1 2", "1 3")), "line 2: user '1' again, first in line 1"),
            (lambda p: s3rec.s3rec_interactions(p / "none"), "no such file|cannot be read"),
            (lambda p: s3rec.s3rec_attributes(put(p, "{"), IdMap.of(["1"])), "no JSON"),
            (lambda p: s3rec.s3rec_attributes(put(p, {"1": 3}), IdMap.of(["1"])), "object of lists"),
        ],
    )
    def test_bad_files_are_refused(self, tmp_path: Path, made: Callable[[Path], Any], said: str) -> None:
        with pytest.raises(DataError, match=said):
            made(tmp_path / "s.txt")

    @pytest.mark.data
    @pytest.mark.skipif("MMRECO_DATA" not in os.environ, reason="MMRECO_DATA is not set")
    def test_the_real_thing(self) -> None:
        folder = Path(os.environ["MMRECO_DATA"]) / "amazon_beauty"
        events = s3rec.s3rec_interactions(folder / "Beauty.txt")
        assert (len(events), len(events.items), events.n_events) == (22_363, 12_101, 198_502)
        facts = s3rec.s3rec_attributes(folder / "Beauty_item2attributes.json", events.items)
        assert len(facts.names) == 637
        assert np.diff(facts.starts).min() > 0
