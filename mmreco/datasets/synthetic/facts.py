"""What is so in the planted shop: the facts of its products and the tastes of its shoppers, as plain arrays.

Nothing here is seen by a model. Titles, pictures and clicks are made from these facts, so that an answer
can be held against them.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mmreco.arrays import F32, I64, frozen

__all__ = [
    "BRANDS",
    "CATEGORIES",
    "COLOURS",
    "PATTERNS",
    "STYLES",
    "Brand",
    "Facts",
    "Kind",
    "Tastes",
    "synthetic_facts",
    "synthetic_tastes",
]


class Kind(NamedTuple):
    """A value a product can have, in both languages: the common word first, then what else it is called."""

    en: tuple[str, ...]
    zh: tuple[str, ...]

    @property
    def name(self) -> str:
        """The plain English name, used in columns and file names."""
        return self.en[0]


class Brand(NamedTuple):
    """A maker: its two names, how dear it is (log of a factor), its style and what it makes."""

    en: str
    zh: str
    level: float
    style: int
    makes: tuple[int, ...]


CATEGORIES = (
    Kind(("dress", "dress", "frock"), ("连衣裙", "连衣裙", "裙子")),
    Kind(("t-shirt", "t-shirt", "tee"), ("T恤", "短袖T恤", "上衣")),
    Kind(("trousers", "trousers", "pants"), ("长裤", "裤子", "休闲裤")),
    Kind(("shoes", "shoes", "footwear"), ("鞋子", "鞋子", "鞋")),
    Kind(("bag", "bag", "handbag"), ("包包", "手提包", "包")),
    Kind(("hat", "hat", "sun hat"), ("帽子", "遮阳帽", "帽子")),
    Kind(("mug", "mug", "cup"), ("马克杯", "杯子", "水杯")),
    Kind(("lamp", "lamp", "table lamp"), ("台灯", "灯", "床头灯")),
)
COLOURS = (
    Kind(("red", "red", "scarlet"), ("红色", "红色", "大红色")),
    Kind(("blue", "blue", "navy blue"), ("蓝色", "蓝色", "宝蓝色")),
    Kind(("green", "green", "emerald"), ("绿色", "绿色", "墨绿色")),
    Kind(("yellow", "yellow", "mustard"), ("黄色", "黄色", "姜黄色")),
    Kind(("black", "black", "jet black"), ("黑色", "黑色", "纯黑色")),
    Kind(("white", "white", "ivory"), ("白色", "白色", "米白色")),
    Kind(("pink", "pink", "rose pink"), ("粉色", "粉色", "粉红色")),
    Kind(("purple", "purple", "violet"), ("紫色", "紫色", "紫罗兰色")),
)
PATTERNS = (
    Kind(("plain", "solid"), ("纯色", "素色")),
    Kind(("striped", "stripe"), ("条纹", "条纹")),
    Kind(("polka-dot", "dotted"), ("波点", "圆点")),
    Kind(("checked", "plaid"), ("格子", "格纹")),
    Kind(("floral", "flower-print"), ("碎花", "印花")),
)
STYLES = (
    Kind(("casual", "everyday"), ("休闲", "日常")),
    Kind(("formal", "elegant"), ("正式", "优雅")),
    Kind(("sporty", "active"), ("运动", "活力")),
    Kind(("vintage", "retro"), ("复古", "怀旧")),
)
BRANDS = (
    Brand("Tideglass", "潮璃", -0.25, 0, (0, 1, 2, 5)),
    Brand("Paperkite", "纸鸢", 0.30, 1, (0, 2, 3, 4)),
    Brand("Bramblewick", "棘灯", 0.05, 3, (0, 4, 6, 7)),
    Brand("Fleetroe", "飞狍", 0.15, 2, (1, 2, 3, 5)),
    Brand("Moonkiln", "月窑", 0.10, 3, (6, 7)),
    Brand("Larkfold", "云雀坊", -0.40, 0, (1, 2, 3, 4, 5)),
    Brand("Inkwillow", "墨柳", 0.55, 1, (0, 4, 7)),
    Brand("Sunmoor", "日泽", -0.15, 2, (1, 3, 4, 5)),
    Brand("Quietgarden", "静园", 0.00, 0, (0, 6, 7)),
    Brand("Old Ferry", "旧渡口", 0.20, 3, (2, 3, 4, 5, 6)),
    Brand("Pebblenine", "九砾", -0.30, 2, (1, 2, 6)),
    Brand("Halcyon Row", "翠鸟巷", 0.40, 1, (0, 1, 3, 5, 7)),
)
_MEDIAN_PRICE = np.array([320.0, 99.0, 219.0, 389.0, 359.0, 89.0, 49.0, 199.0])
_DEMAND = np.array([1.5, 1.4, 1.1, 1.2, 1.1, 0.8, 0.9, 0.8])  # of each category, for products and shoppers alike
_HUE = np.array([1.2, 1.2, 0.9, 0.8, 1.4, 1.3, 1.0, 0.7])
_PRINTED = np.array([0.34, 0.18, 0.15, 0.16, 0.17])
_UNSEEN = 4  # what makes products alike or not beyond anything a title or picture shows


@dataclass(frozen=True, eq=False)
class Facts:
    """The facts of `n` products; index arrays point into CATEGORIES, COLOURS, PATTERNS, STYLES and BRANDS.

    Parameters
    ----------
    category, colour, pattern, style, brand : shape `(n,)`, int64
    price : shape `(n,)`, float32
    dearness : shape `(n,)`, float32
        Log of the price over the median of its category.
    quality : shape `(n,)`, float32
        About normal; what reviewers complain of or praise.
    appeal : shape `(n,)`, float32
        Log of how often everybody looks at it: a long tail.
    cut : shape `(n, 4)`, float32
        What no title and no picture shows, and shoppers still care about.
    """

    category: I64
    colour: I64
    pattern: I64
    style: I64
    brand: I64
    price: F32
    dearness: F32
    quality: F32
    appeal: F32
    cut: F32

    def __post_init__(self) -> None:
        for name in ("category", "colour", "pattern", "style", "brand"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.int64))
        for name in ("price", "dearness", "quality", "appeal", "cut"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float32))

    def __len__(self) -> int:
        return len(self.category)


@dataclass(frozen=True, eq=False)
class Tastes:
    """The tastes of `n` shoppers.

    Parameters
    ----------
    category : shape `(n, 2, 8)`, float32
        Shares of the categories at the beginning and at the end; between them the mix drifts evenly.
    colour : shape `(n, 2, 8)`, float32
        Shares of the colours, likewise.
    pattern : shape `(n, 5)`, float32
    style : shape `(n, 4)`, float32
        Shares.
    dearness : shape `(n,)`, float32
        The price band: log of the wanted price over a category's median.
    cut : shape `(n, 4)`, float32
    """

    category: F32
    colour: F32
    pattern: F32
    style: F32
    dearness: F32
    cut: F32

    def __post_init__(self) -> None:
        for name in ("category", "colour", "pattern", "style", "dearness", "cut"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float32))

    def __len__(self) -> int:
        return len(self.dearness)


def synthetic_facts(n: int, rng: np.random.Generator) -> Facts:
    """The facts of `n` products: four in five spread evenly over category x colour, the rest where demand is."""
    n_categories, n_colours = len(CATEGORIES), len(COLOURS)
    cells = n_categories * n_colours
    even = np.tile(np.arange(cells), int(0.8 * n) // cells)
    wanted = np.outer(_DEMAND, _HUE).ravel()
    cell = np.concatenate([even, rng.choice(cells, n - len(even), p=wanted / wanted.sum())])
    rng.shuffle(cell)
    category, colour = np.divmod(cell, n_colours)
    makes = np.zeros((n_categories, len(BRANDS)))
    for row, maker in enumerate(BRANDS):
        makes[list(maker.makes), row] = 1
    brand = _draw(makes[category], rng)
    levels, house = np.array([b.level for b in BRANDS]), np.array([b.style for b in BRANDS])
    style = np.where(rng.random(n) < 0.55, house[brand], rng.integers(len(STYLES), size=n))
    dearness = levels[brand] + 0.2 * (style == 1) + rng.normal(0, 0.28, n)
    price = np.maximum(np.round(_MEDIAN_PRICE[category] * np.exp(dearness)), 9) - 0.1
    return Facts(
        category=category,
        colour=colour,
        pattern=rng.choice(len(PATTERNS), n, p=_PRINTED),
        style=style,
        brand=brand,
        price=price.astype(np.float32),
        dearness=dearness.astype(np.float32),
        quality=rng.normal(0, 1, n).astype(np.float32),
        appeal=rng.normal(0, 0.5, n).astype(np.float32),
        cut=rng.normal(0, 1, (n, _UNSEEN)).astype(np.float32),
    )


def synthetic_tastes(n: int, rng: np.random.Generator) -> Tastes:
    """The tastes of `n` shoppers: a few categories, one to three colours, a style, a price band; all drift a little."""
    return Tastes(
        category=_drifting(n, 0.9 * _DEMAND / _DEMAND.mean() * 0.55, 0.45, rng),
        colour=_drifting(n, 0.45 * _HUE / _HUE.mean(), 0.3, rng),
        pattern=rng.dirichlet(np.full(len(PATTERNS), 0.9), n).astype(np.float32),
        style=rng.dirichlet(np.full(len(STYLES), 0.5), n).astype(np.float32),
        dearness=rng.normal(0.05, 0.38, n).astype(np.float32),
        cut=rng.normal(0, 1, (n, _UNSEEN)).astype(np.float32),
    )


def _drifting(n: int, concentration: np.ndarray, drift: float, rng: np.random.Generator) -> np.ndarray:
    first, other = rng.dirichlet(concentration, n), rng.dirichlet(concentration, n)
    far = rng.beta(1.2, 1.2 * (1 - drift) / drift, n)[:, None]  # many hardly move, some move far
    return np.stack([first, (1 - far) * first + far * other], axis=1)  # (n, 2, kinds)


def _draw(weights: np.ndarray, rng: np.random.Generator) -> I64:
    """One column a row, drawn with these weights, shape `(n,)`."""
    reach = np.cumsum(weights, axis=1)
    drawn: I64 = (rng.random(len(weights))[:, None] * reach[:, -1:] >= reach).sum(axis=1)
    return drawn
