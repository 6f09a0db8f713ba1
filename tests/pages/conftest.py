"""A small planted shop and pages of it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.data.users import Users
from mmreco.datasets.synthetic.pictures import draw
from mmreco.datasets.synthetic.shop import synthetic_shop
from mmreco.models.itemknn import ItemKNN


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    planted = synthetic_shop(n_items=200, n_users=150, seed=3)
    catalogue = draw(planted, Path(tmp_path_factory.mktemp("pictures")))
    people = planted.interactions.users
    regions = pa.table({"region": [["North", "South", None][row % 3] for row in range(len(people))]})
    return Dataset(catalogue, planted.interactions, planted.reviews, Users(people, regions))


@pytest.fixture(scope="session")
def model(shop: Dataset) -> ItemKNN:
    return ItemKNN().fit(shop)


@pytest.fixture
def shoppers(shop: Dataset) -> Interactions:
    return shop.interactions.take(np.arange(6))
