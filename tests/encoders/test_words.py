"""Titles word by word."""

import pyarrow as pa

from mmreco.data.attributes import Attributes
from mmreco.data.catalogue import Catalogue
from mmreco.encoders.words import worded

SHOP = Catalogue.from_frame(
    pa.table(
        {
            "item_id": ["a", "b", "c", "d"],
            "title": ["The red dress, red!", "红色连衣裙", None, "Dress 红色"],
            "brand": ["Acme", "Acme", None, "Acme"],
        }
    )
)


def test_each_word_once_in_either_language_and_none_where_there_is_no_title() -> None:
    assert worded(SHOP).column("title_word") == [["red", "dress"], ["红色", "连衣裙"], [], ["dress", "红色"]]
    assert worded(SHOP).column("title") == SHOP.column("title")


def test_words_that_items_share_become_attributes_and_describe_new_items() -> None:
    facts = Attributes.from_catalogue(worded(SHOP))
    assert facts.names == ("brand=Acme", "title_word=dress", "title_word=红色")
    new = Catalogue.from_frame(pa.table({"item_id": ["n"], "title": ["Blue dress"]}))
    assert facts.describe(worded(new)).of(0) == ("title_word=dress",)


def test_a_title_without_end_says_its_first_words() -> None:
    long = Catalogue.from_frame(pa.table({"item_id": ["a"], "title": [" ".join(f"w{n}" for n in range(100_000))]}))
    assert worded(long).column("title_word") == [[f"w{n}" for n in range(32)]]


def test_without_titles_nothing_is_added() -> None:
    bare = Catalogue.from_frame(pa.table({"item_id": ["a"]}))
    assert worded(bare) is bare
