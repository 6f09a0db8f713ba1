"""Prints the home page of a shopper of the synthetic shop, with the reason for the first item, and writes it as HTML.

python examples/page.py [--user 7] [--language zh] [--html page.html]
"""

import argparse
from pathlib import Path

import numpy as np

from mmreco.datasets.synthetic.shop import synthetic_shop
from mmreco.explain import explain
from mmreco.models.itemknn import ItemKNN
from mmreco.pages import PageComposer, PageOptions, page_html

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--user", type=int, default=7, help="the number of the shopper, from 0")
parser.add_argument("--language", choices=("en", "zh"), default="en")
parser.add_argument("--html", type=Path, help="where to write the page")
given = parser.parse_args()

shop = synthetic_shop(n_items=400, n_users=600).dataset
model = ItemKNN().fit(shop)
composer = PageComposer(
    model, shop, similar=model.similar, options=PageOptions(caps={"brand": 2}, language=given.language)
)
shopper = shop.interactions.take([given.user])
page = composer.home(shopper)[0]
print(page)

first = page.shelves[0].rows[:1]
print()
for sentence in explain(model, shop, shopper, np.asarray(first))[0].sentences(given.language):
    print(sentence)

if given.html:
    given.html.write_text(page_html(page, price=lambda value: f"¥{value:,.0f}"), encoding="utf-8")
    print(f"\nwritten: {given.html}")
