"""Titles word by word."""

import pyarrow as pa

from mmreco.data.attributes import Attributes
from mmreco.data.catalogue import Catalogue
from mmreco.text.title_tokens import with_title_tokens

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
    assert with_title_tokens(SHOP).column("title_word") == [["red", "dress"], ["红色", "连衣裙"], [], ["dress", "红色"]]
    assert with_title_tokens(SHOP).column("title") == SHOP.column("title")


def test_words_that_items_share_become_attributes_and_describe_new_items() -> None:
    facts = Attributes.from_catalogue(with_title_tokens(SHOP))
    assert facts.names == ("brand=Acme", "title_word=dress", "title_word=红色")
    new = Catalogue.from_frame(pa.table({"item_id": ["n"], "title": ["Blue dress"]}))
    assert facts.describe(with_title_tokens(new)).of(0) == ("title_word=dress",)


def test_a_title_without_end_says_its_first_words() -> None:
    long = Catalogue.from_frame(pa.table({"item_id": ["a"], "title": [" ".join(f"w{n}" for n in range(100_000))]}))
    assert with_title_tokens(long).column("title_word") == [[f"w{n}" for n in range(32)]]


def test_without_titles_nothing_is_added() -> None:
    bare = Catalogue.from_frame(pa.table({"item_id": ["a"]}))
    assert with_title_tokens(bare) is bare
