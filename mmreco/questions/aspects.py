"""What an item's reviews praise and complain of: size, quality, delivery and so on, each with its sentiment.

Hu, Liu, "Mining and summarizing customer reviews", 2004. Aspects are found by their words, in the clause that holds
them; whether the clause praises is told by a `Polarity`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from mmreco.data.reviews import Reviews
from mmreco.errors import DataError
from mmreco.questions.polarity import Polarity
from mmreco.questions.privacy import scrub
from mmreco.questions.sentences import sentence_spans
from mmreco.text.folding import to_simplified
from mmreco.text.segmentation import is_chinese, segment
from mmreco.text.stemming import stem

__all__ = ["ASPECTS", "AspectSummary", "aspects_of", "item_aspects"]

# Each aspect with the words that mention it; a Chinese one is looked for inside the clause, an English one as a word.
_WORDS = """
size: 尺码 尺寸 大小 码数 偏大 偏小 合身 长短 肥瘦 宽松 size sizing fit fits fitted small large tight loose big length
quality: 质量 做工 品质 手工 瑕疵 线头 quality made workmanship flaw flawed defect defective stitching build built
material: 面料 布料 材质 料子 质地 手感 fabric material cloth texture cotton leather
colour: 颜色 色差 掉色 褪色 色彩 染色 colour color shade fade faded dye
look: 外观 样子 款式 好看 难看 漂亮 外形 设计 颜值 look looks design style beautiful ugly pretty appearance
comfort: 舒服 舒适 柔软 透气 磨脚 扎人 保暖 comfortable uncomfortable comfort soft itchy warm breathable cosy
price: 价格 价钱 性价比 便宜 太贵 价位 实惠 划算 price pricey cheap expensive value worth money cost
delivery: 物流 快递 发货 送货 到货 配送 运费 delivery shipping shipped arrived arrive courier late delivered
packaging: 包装 盒子 破损 packaging packed package box wrapped wrapping
service: 客服 服务 售后 态度 退货 退款 换货 退换 service seller support refund return returned customer staff
smell: 气味 味道大 异味 臭 刺鼻 香味 smell smells odour odor scent stink
durability: 耐用 结实 坏了 用了几天 寿命 断了 开裂 durable broke broken lasts sturdy lasted break cracked fell
battery: 电池 续航 充电 待机 耗电 battery charge charging charger charged
screen: 屏幕 显示屏 显示 分辨率 液晶 screen display resolution lcd monitor
sound: 声音 音质 音效 喇叭 噪音 耳机 sound audio volume noise speaker bass loud
camera: 镜头 拍照 像素 照片 相机 成像 对焦 camera picture photo lens image focus zoom
speed: 速度 反应慢 卡顿 运行 流畅 speed lag performance
use: 操作 使用 方便 简单 好用 难用 安装 easy simple use setup install installation convenient manual instructions
taste: 口感 味道 好吃 难吃 新鲜 taste tastes tasty fresh flavour flavor delicious
"""
ASPECTS: tuple[str, ...] = tuple(line.partition(":")[0] for line in _WORDS.strip().splitlines())

_CLAUSE = re.compile(
    r"[，,；;、]|\s[-–—]\s|(?:但是|不过|可是|只是|而且)|\b(?:but|however|although|though)\b", re.IGNORECASE
)
_DOUBT = 2.0  # mentions that draw the share of praise half the way to one half


@dataclass(frozen=True)
class AspectSummary:
    """What the reviews say of one aspect of an item.

    Parameters
    ----------
    aspect : one of `ASPECTS`
    mentions : how many reviews mention it
    praise : 0 to 1
        The share of praise among them, drawn to one half where there are few.
    best, worst : a clause that praises most and one that complains most, personal data replaced
        Each with the row of its review; None where there is none.
    """

    aspect: str
    mentions: int
    praise: float
    best: tuple[str, int] | None
    worst: tuple[str, int] | None


def aspects_of(text: str) -> tuple[str, ...]:
    """The aspects that the clause `text` mentions, in the order of `ASPECTS`.

    Examples
    --------
    >>> aspects_of("尺码偏小"), aspects_of("Fast delivery, well packed"), aspects_of("Hello")
    (('size',), ('delivery', 'packaging'), ())
    """
    simplified = to_simplified(text)
    words = {stem(word) for word in segment(simplified)}
    return tuple(
        aspect
        for aspect, (chinese, english) in _table().items()
        if not words.isdisjoint(english) or any(word in simplified for word in chinese)
    )


def item_aspects(
    reviews: Reviews, items: Sequence[str], polarity: Polarity, *, least: int = 2
) -> list[tuple[AspectSummary, ...]]:
    """The aspects of each item that at least `least` of its reviews mention, the most mentioned first.

    Parameters
    ----------
    reviews : of the shop's items
    items : ids of the catalogue
    polarity : fitted
    least : 1 or more, optional

    Raises
    ------
    UnknownIdError
        An item is not in the catalogue.
    NotFittedError
        `polarity` is not fitted.
    DataError
        `least` is below 1.
    """
    if least < 1:
        raise DataError(f"least={least}: expected 1 or more")
    out = []
    for row in reviews.items.rows(items).tolist():
        mentions: list[tuple[str, int, str]] = []  # aspect, review, clause
        for at in range(int(reviews.starts[row]), int(reviews.starts[row + 1])):
            for clause in _clauses(reviews.texts[at]):
                mentions += [(aspect, at, clause) for aspect in aspects_of(clause)]
        clauses = list(dict.fromkeys(clause for _, _, clause in mentions))
        scores = dict(zip(clauses, polarity.score(clauses).tolist(), strict=True))
        summaries = [
            _summary(aspect, [(at, clause, scores[clause]) for a, at, clause in mentions if a == aspect])
            for aspect in ASPECTS
        ]
        kept = [summary for summary in summaries if summary.mentions >= least]
        out.append(tuple(sorted(kept, key=lambda summary: (-summary.mentions, ASPECTS.index(summary.aspect)))))
    return out


def _summary(aspect: str, said: Sequence[tuple[int, str, float]]) -> AspectSummary:
    by_review: dict[int, list[float]] = {}
    for at, _, score in said:
        by_review.setdefault(at, []).append(score)
    shares = [float(np.mean(scores)) for scores in by_review.values()]
    praise = (sum(shares) + _DOUBT * 0.5) / (len(shares) + _DOUBT)
    best = max(said, key=lambda one: one[2], default=None)
    worst = min(said, key=lambda one: one[2], default=None)
    return AspectSummary(
        aspect,
        len(by_review),
        praise,
        (scrub(best[1]), best[0]) if best is not None and best[2] > 0.5 else None,
        (scrub(worst[1]), worst[0]) if worst is not None and worst[2] < 0.5 else None,
    )


def _clauses(text: str) -> list[str]:
    found = []
    for begin, end in sentence_spans(text):
        found += [part.strip() for part in _CLAUSE.split(text[begin:end]) if part.strip()]
    return found


@cache
def _table() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    table = {}
    for line in _WORDS.strip().splitlines():
        aspect, _, words = line.partition(":")
        given = words.split()
        table[aspect] = (
            frozenset(word for word in given if is_chinese(word)),
            frozenset(stem(word) for word in given if not is_chinese(word)),
        )
    return table
