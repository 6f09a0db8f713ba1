"""Tables on disk."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmreco.data.catalogue import Catalogue
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.errors import DataError
from mmreco.tables.files import read_table

HEAD = {"item_id": ["007", "8"], "title": ['红, "hat"\n新', None], "price": [1.5, None]}


def written(path: Path) -> Path:
    texts = {
        ".csv": 'item_id,title,price\n007,"红, ""hat""\n新",1.5\n8,,\n',
        ".tsv": 'item_id\ttitle\tprice\n007\t"红, ""hat""\n新"\t1.5\n8\t\tNA\n',
        ".jsonl": '{"item_id": "007", "title": "红, \\"hat\\"\\n新", "price": 1.5}\n\n{"item_id": "8"}\n',
    }
    if path.suffix == ".parquet":
        pq.write_table(pa.table(HEAD), path)
    else:
        path.write_text(texts[".jsonl" if path.suffix == ".ndjson" else path.suffix.lower()], encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".tsv", ".jsonl", ".ndjson", ".CSV"])
def test_every_kind_holds_the_same_table(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"items{suffix}")
    assert read_table(path, text=("item_id", "user_id")).to_pydict() == HEAD
    shop = Catalogue.read(str(path))
    assert shop.items.ids([0, 1]) == ["007", "8"]
    assert shop.texts() == ['红, "hat"\n新', None]


def test_ids_of_other_names_keep_their_zeros(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("who,what,when\n01,007,2026-01-02T00:00:00Z\n1,7,2026-01-03T00:00:00Z\n")
    events = Interactions.read(path, columns={"user_id": "who", "item_id": "what", "timestamp": "when"})
    assert (events.users.ids([0, 1]), events.items.ids([0, 1])) == (["01", "1"], ["007", "7"])
    assert events.times is not None
    assert np.diff(events.times).tolist() == [86_400_000]


def test_reviews_are_read(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    path.write_text(
        '{"item_id": "a", "text": "好", "rating": 5, "timestamp": "2026-01-02T00:00:00Z"}\n', encoding="utf-8"
    )
    said = Reviews.read(path)
    assert (said.texts, said.ratings.tolist(), said.of(0)) == (("好",), [5.0], ("好",))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_types_are_told_from_the_whole_file_and_cells_may_be_large(tmp_path: Path, suffix: str) -> None:
    path, many = tmp_path / f"items{suffix}", 200_000
    if suffix == ".csv":
        path.write_text("item_id,size,title\n" + "1,38,x\n" * many + f"2,XL,{'y' * 3_000_000}\n")
        assert read_table(path)["size"].to_pylist()[-1] == "XL"
    else:
        path.write_text('{"title": "x"}\n' * many + '{"title": "%s"}\n' % ("y" * 3_000_000))
    assert len(read_table(path)["title"][many].as_py()) == 3_000_000


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "empty"),
        ("a.parquet", b"", "empty"),
        ("a.jsonl", b"", "empty"),
        ("a.xlsx", b"x", "kind '.xlsx'; expected .parquet, .csv"),
        ("a", b"x", "kind ''"),
        ("a.csv", b"a,b\n1,2\n1,2,3\n", "Row #3"),
        ("a.csv", b"a,a\n1,2\n", "'a' appears 2 times"),
        ("a.csv", "item_id,title\n1,x\n2,红\n".encode("gbk"), "column 'title', row 1 is not UTF-8"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "utf-16|UTF-8|damaged"),
        ("a.csv", b"a;b\n1;2\n", "one column, 'a;b'; separate fields by ','"),
        ("a.tsv", b"a,b\n1,2\n", r"one column, 'a,b'; separate fields by '\\t'"),
        ("a.jsonl", b'{"a": 1}\nnonsense\n', "row 1"),
        ("a.jsonl", b'{"a": 1}\n{"a": "x"}\n', "changed from number to string in row 1"),
        ("a.jsonl", b'{"a": "\\ud800"}\n', "surrogate"),
        ("a.jsonl", b'{"a": "\xff\xfe"}\n', "damaged"),
        ("a.jsonl", b'[{"a": 1}]', "one JSON array"),
        ("a.jsonl", b'{"a": ' * 50_000, "damaged"),
        ("a.parquet", b"PAR1 is not enough PAR1", "damaged"),
        ("a.parquet", b"a,b\n1,2\n", "damaged"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        read_table(tmp_path / name)
    assert name in str(caught.value)
    assert len(str(caught.value)) < 500


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="not a file"):
        read_table(tmp_path / "folder.csv")


def test_a_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,timestamp,weight\n")
    assert Interactions.read(path).n_events == 0


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_flipped_bits_in_parquet_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    path = written(tmp_path_factory.mktemp("flip") / "items.parquet")
    raw = bytearray(path.read_bytes())
    raw[place % len(raw)] ^= 1 << bit
    path.write_bytes(raw)
    refused, table = "", None
    try:
        table = read_table(path)
    except DataError as error:
        refused = str(error)
    if table is None:
        assert "items.parquet" in refused
    else:
        table.validate(full=True)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b'1,"a\n2,c\n', 2),  # swallows all that follows
        (b'1,"a\n2,c\n3,"d"\n', 2),  # swallows a row
        (b'0,"x\r\ny"\r\n1,"a"b\r\n2,c\r\n', 4),
        (b'1,"a', 2),
    ],
)
def test_a_quote_that_is_not_closed_swallows_no_rows(tmp_path: Path, body: bytes, line: int) -> None:
    (tmp_path / "t.csv").write_bytes(b"item_id,title\n" + body)
    with pytest.raises(DataError, match=rf"t.csv, line {line}: the field .* begins with a quote"):
        read_table(tmp_path / "t.csv")


def test_quotes_of_tsv_are_not_lost(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_bytes(b'item_id\ttitle\n1\t"best" phone\n')
    with pytest.raises(DataError, match="line 2: the field"):
        read_table(tmp_path / "t.tsv")


def test_quotes_that_are_closed_are_read(tmp_path: Path) -> None:
    body = b'\xef\xbb\xbf"item_id",title\r\n"1","a, ""b"""\r\n2,27" screen\r\n"3",""\r\n4,"x\ny"'
    (tmp_path / "t.csv").write_bytes(body)
    table = read_table(tmp_path / "t.csv", text=("item_id", "title"))
    assert table.to_pydict() == {"item_id": ["1", "2", "3", "4"], "title": ['a, "b"', '27" screen', None, "x\ny"]}
