"""What the planted shop says: titles, descriptions and reviews in Chinese and English, from the facts.

Wording varies (templates, synonyms, order, what is left out), as a real catalogue's does: most products are
described in both languages, some in one only, and a plain product seldom says that it is plain.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from mmreco.arrays import I64
from mmreco.datasets.synthetic.facts import BRANDS, CATEGORIES, COLOURS, PATTERNS, STYLES, Facts

__all__ = ["review_texts", "titles_and_texts"]

T = TypeVar("T")

_BOTH, _ZH, _EN = range(3)
_LANGUAGES = np.array([0.70, 0.15, 0.15])

_TITLES_EN = (
    "{colour} {pattern}{category}",
    "{brand} {colour} {pattern}{category}",
    "{style} {colour} {category}{with_pattern}",
    "{brand} {style} {category} in {colour}{comma_pattern}",
    "{pattern}{category}, {colour}",
)
_TITLES_ZH = (
    "{colour}{pattern}{category}",
    "{brand} {colour}{pattern}{category}",
    "{style}风{colour}{pattern}{category}",
    "{brand}{style}{category} {colour} {pattern}",
    "{season}新款 {colour}{category} {pattern}",
)
_OPENINGS_EN = (
    "{style} {category} in {colour}, made of {material}.",
    "{colour} {category} by {brand}, {style} in spirit.",
    "{material}, {colour}, and unmistakably {style}.",
    "Our {style} {category}: {colour} {pattern}{material}.",
)
_OPENINGS_ZH = (
    "{style}风格的{colour}{category}，{material}材质。",
    "{brand}出品，{colour}{pattern}设计，{style}又耐看。",
    "选用{material}，{colour}，{style}百搭。",
    "这款{category}采用{material}，{pattern}{colour}，尽显{style}气质。",
)
_MATERIALS = (  # by category
    (("cotton", "棉"), ("linen", "亚麻"), ("viscose", "人造丝"), ("silk", "真丝")),
    (("cotton jersey", "纯棉"), ("organic cotton", "有机棉"), ("a cotton blend", "棉混纺")),
    (("cotton twill", "斜纹棉"), ("wool", "羊毛"), ("stretch denim", "弹力牛仔布")),
    (("leather", "真皮"), ("canvas", "帆布"), ("suede", "绒面革")),
    (("leather", "牛皮"), ("canvas", "帆布"), ("woven straw", "草编")),
    (("felt", "毛毡"), ("straw", "草编"), ("cotton", "棉布")),
    (("stoneware", "炻瓷"), ("porcelain", "瓷"), ("enamelled steel", "搪瓷")),
    (("ceramic", "陶瓷"), ("brass", "黄铜"), ("turned wood", "实木")),
)
_DETAILS = (  # by category
    (
        ("Falls just below the knee.", "长度过膝。"),
        ("Hidden side pockets.", "侧缝隐形口袋。"),
        ("Fully lined.", "全内衬。"),
    ),
    (("Ribbed collar that keeps its shape.", "罗纹领口不变形。"), ("Pre-washed, will not shrink.", "预缩水处理。")),
    (("Tapered leg, five pockets.", "锥形裤腿，五袋设计。"), ("High waist with belt loops.", "高腰带裤袢。")),
    (("Cushioned insole.", "软弹鞋垫。"), ("Rubber sole that grips when wet.", "防滑橡胶底。")),
    (("Holds a 13-inch laptop.", "可放13寸电脑。"), ("Zip pocket inside.", "内有拉链袋。")),
    (("Packs flat.", "可折叠收纳。"), ("Wide brim against the sun.", "宽檐防晒。")),
    (("350 ml, safe in the dishwasher.", "350毫升，可用洗碗机。"), ("Keeps tea warm for an hour.", "保温一小时。")),
    (("Warm light, three levels.", "暖光三档调节。"), ("Takes an E27 bulb.", "E27灯头。")),
)
_OCCASIONS = (  # by style
    (
        ("For slow weekends.", "周末出街首选。"),
        ("Goes with everything you own.", "怎么搭都好看。"),
        ("Easy, every day.", "每天都用得上。"),
    ),
    (("For dinners, offices and weddings.", "通勤宴会皆宜。"), ("Quietly elegant.", "低调优雅。")),
    (("Light, and made to move in.", "轻盈自在，随心而动。"), ("From the gym to the street.", "从健身房到街头。")),
    (
        ("A shape borrowed from the 1960s.", "六十年代的经典廓形。"),
        ("Looks like a lucky find.", "像是在跳蚤市场淘到的宝贝。"),
    ),
)
_AT_HOME = (  # what a mug or a lamp says instead
    (("For slow mornings.", "慢生活的早晨。"), ("At home everywhere.", "放在哪里都合适。")),
    (("A gift that is always right.", "送礼体面。"), ("Quietly elegant.", "低调优雅。")),
    (("For the desk and the camping table.", "办公露营都能用。"), ("Takes a knock or two.", "结实耐摔。")),
    (
        ("Like the one your grandmother had.", "外婆家的味道。"),
        ("Looks like a lucky find.", "像是在跳蚤市场淘到的宝贝。"),
    ),
)
_HOME = 6  # categories from here on stand in a room
_SEASONS = ("春季", "夏季", "秋季", "冬季")

# Reviews by mood: 1-2 stars, 3 stars, 4-5 stars.
_OPINIONS_EN = (
    ("Disappointed.", "Not what I expected.", "Sent it back.", "Would not buy again.", "Poor quality for the price."),
    ("It is all right.", "Decent, nothing special.", "Does the job.", "Average quality.", "Mixed feelings."),
    ("Love it!", "Beautiful, exactly as shown.", "Excellent quality.", "Would buy again.", "My favourite purchase."),
)
_OPINIONS_ZH = (
    ("很失望。", "和描述不符。", "已经退货了。", "质量太差，不值这个价。", "不会再买了。"),
    ("还可以吧。", "一般般，没什么特别。", "凑合能用。", "质量中等。", "中规中矩。"),
    ("非常喜欢！", "和图片一样漂亮。", "质量很好，很满意。", "会回购的。", "超出预期，推荐购买。"),
)
_REMARKS_EN = (
    (
        "The {colour} looks dull.",
        "The {category} came with a flaw.",
        "Feels cheap.",
        "Smells odd and the finish is rough.",
    ),
    ("The {colour} is a bit darker than the picture.", "{category}: fine, delivery was slow.", "A little pricey."),
    ("The {colour} is gorgeous.", "Such a lovely {category}.", "Fast delivery, well packed.", "Solid and well made."),
)
_REMARKS_ZH = (
    ("{colour}有色差。", "{category}有瑕疵。", "做工粗糙。", "有异味，手感差。"),
    ("{colour}比图片深一点。", "{category}还行，物流慢。", "价格略高。"),
    ("{colour}特别好看。", "{category}很有质感。", "物流很快，包装完好。", "做工精细。"),
)


def titles_and_texts(facts: Facts, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """A title and a description a product."""
    titles, texts = [], []
    languages = rng.choice(3, len(facts), p=_LANGUAGES)
    for row, language in enumerate(languages):
        english, chinese = _words_en(facts, row, rng), _words_zh(facts, row, rng)
        title_en = _tidy(_pick(_TITLES_EN, rng).format_map(english))
        title_zh = " ".join(_pick(_TITLES_ZH, rng).format_map(chinese).split())
        about_en = _tidy(" ".join(_about(facts, row, 0, rng, _pick(_OPENINGS_EN, rng).format_map(english))))
        about_zh = "".join(_about(facts, row, 1, rng, _pick(_OPENINGS_ZH, rng).format_map(chinese)))
        if language == _ZH:
            titles.append(title_zh)
            texts.append(about_zh)
        elif language == _EN:
            titles.append(title_en)
            texts.append(about_en)
        else:
            titles.append((f"{title_zh} {title_en}", title_zh, title_en)[rng.choice(3, p=(0.5, 0.25, 0.25))])
            texts.append(f"{about_zh}\n{about_en}")
    return titles, texts


def review_texts(facts: Facts, items: I64, stars: I64, chinese: Sequence[bool], rng: np.random.Generator) -> list[str]:
    """A review an event, in Chinese where `chinese`, that says what the stars say."""
    out = []
    for item, star, zh in zip(items, stars, chinese, strict=True):
        mood = 0 if star <= 2 else 1 if star == 3 else 2
        category, colour = CATEGORIES[facts.category[item]], COLOURS[facts.colour[item]]
        names = {
            "category": _pick(category.zh if zh else category.en, rng),
            "colour": (colour.zh if zh else colour.en)[0],
        }
        opinion = _pick((_OPINIONS_ZH if zh else _OPINIONS_EN)[mood], rng)
        remark = _pick((_REMARKS_ZH if zh else _REMARKS_EN)[mood], rng).format_map(names)
        parts = [opinion, remark] if rng.random() < 0.75 else [opinion]
        out.append("".join(parts) if zh else _tidy(" ".join(parts)))
    return out


def _about(facts: Facts, row: int, language: int, rng: np.random.Generator, opening: str) -> list[str]:
    detail = _pick(_DETAILS[facts.category[row]], rng)[language]
    occasion = _pick((_AT_HOME if facts.category[row] >= _HOME else _OCCASIONS)[facts.style[row]], rng)[language]
    return [opening, *([detail, occasion] if rng.random() < 0.5 else [occasion, detail])]


def _words_en(facts: Facts, row: int, rng: np.random.Generator) -> dict[str, str]:
    pattern = _pick(PATTERNS[facts.pattern[row]].en, rng)
    said = _says_pattern(facts, row, rng)
    return {
        "brand": BRANDS[facts.brand[row]].en,
        "category": _pick(CATEGORIES[facts.category[row]].en, rng),
        "colour": _pick(COLOURS[facts.colour[row]].en, rng),
        "style": _pick(STYLES[facts.style[row]].en, rng),
        "material": _pick(_MATERIALS[facts.category[row]], rng)[0],
        "pattern": f"{pattern} " if said else "",
        "with_pattern": f" with {pattern} design" if said else "",
        "comma_pattern": f", {pattern}" if said else "",
    }


def _words_zh(facts: Facts, row: int, rng: np.random.Generator) -> dict[str, str]:
    return {
        "brand": BRANDS[facts.brand[row]].zh,
        "category": _pick(CATEGORIES[facts.category[row]].zh, rng),
        "colour": _pick(COLOURS[facts.colour[row]].zh, rng),
        "style": _pick(STYLES[facts.style[row]].zh, rng),
        "material": _pick(_MATERIALS[facts.category[row]], rng)[1],
        "pattern": _pick(PATTERNS[facts.pattern[row]].zh, rng) if _says_pattern(facts, row, rng) else "",
        "season": _pick(_SEASONS, rng),
    }


def _says_pattern(facts: Facts, row: int, rng: np.random.Generator) -> bool:
    return bool(rng.random() < (0.2 if facts.pattern[row] == 0 else 0.9))


def _tidy(sentence: str) -> str:
    words = " ".join(sentence.split()).replace(" ,", ",")
    return words[:1].upper() + words[1:]


def _pick(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]
