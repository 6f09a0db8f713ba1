"""Wording: the sentences of explanations, in English and Chinese."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["LANGUAGES", "Words"]


class Words(Protocol):
    """What a language must be able to say."""

    def quoted(self, title: str) -> str:
        """A title as it stands in a sentence."""

    def event(self, event: str, title: str) -> str:
        """What was done with an item, e.g. "bought “Red hat”"."""

    def listed(self, names: Sequence[str]) -> str:
        """Several names, one after the other."""

    def carried(self, names: str) -> str:
        """Which events carry the item."""

    def decisive(self, k: int, n: int) -> str:
        """The item is not among the first `k` without the `n` events."""

    def lower(self, rank: int, without: int) -> str:
        """The item stands lower without the events."""

    def fact(self, column: str, value: str, names: str) -> str:
        """A fact that the item shares with these items."""

    def modality(self, name: str, share: float) -> str:
        """The share of a modality."""

    def review(self, phrase: str) -> str:
        """What a review says."""

    def rule(self, name: str, without: int, rank: int) -> str:
        """A rule moved the item from one place to another."""

    def above(self, above: str, below: str, names: str) -> str:
        """Which events put one item above another."""

    def turned(self, n: int) -> str:
        """The order turns without the `n` events."""


@dataclass(frozen=True)
class _English:
    def quoted(self, title: str) -> str:
        return f"“{title}”"

    def event(self, event: str, title: str) -> str:
        verbs = {"view": "looked at", "click": "looked at", "cart": "put into the cart", "purchase": "bought"}
        verb = verbs.get(event, {"review": "reviewed", "rating": "rated"}.get(event, "chose"))
        if event == "cart":
            return f"put {self.quoted(title)} into the cart"
        return f"{verb} {self.quoted(title)}"

    def listed(self, names: Sequence[str]) -> str:
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

    def carried(self, names: str) -> str:
        return f"Recommended because you {names}."

    def decisive(self, k: int, n: int) -> str:
        return f"Without {'this' if n == 1 else 'these'} it would not be among your first {k}."

    def lower(self, rank: int, without: int) -> str:
        return f"Without this it would stand at place {without} instead of {rank}."

    def fact(self, column: str, value: str, names: str) -> str:
        what = {"category": f"Also {value}", "brand": f"Also from {value}", "price": "About the same price"}
        return f"{what.get(column, f'{column}: {value}')}, like {names}."

    def modality(self, name: str, share: float) -> str:
        return f"{share:.0%} of the match comes from its {_MODALITIES.get(name, (name, name))[0]}."

    def review(self, phrase: str) -> str:
        return f"A buyer wrote: “{phrase}”"

    def rule(self, name: str, without: int, rank: int) -> str:
        return f"The rule “{name}” moved it from place {without} to {rank}."

    def above(self, above: str, below: str, names: str) -> str:
        return f"“{above}” stands above “{below}” because of {names}."

    def turned(self, n: int) -> str:
        return f"Without {'it' if n == 1 else 'them'} the order would be the other way round."


@dataclass(frozen=True)
class _Chinese:
    def quoted(self, title: str) -> str:
        return f"“{title}”"

    def event(self, event: str, title: str) -> str:
        verbs = {
            "view": "看过",
            "click": "看过",
            "cart": "加购了",
            "purchase": "买过",
            "review": "评价过",
            "rating": "评过",
        }
        return f"{verbs.get(event, '选过')}{self.quoted(title)}"

    def listed(self, names: Sequence[str]) -> str:
        return "、".join(names)

    def carried(self, names: str) -> str:
        return f"推荐理由：您{names}。"

    def decisive(self, k: int, n: int) -> str:
        return f"如果没有{'这一条' if n == 1 else '这些'}记录，它不会进入您的前{k}名。"

    def lower(self, rank: int, without: int) -> str:
        return f"如果没有这些记录，它会从第{rank}位降到第{without}位。"

    def fact(self, column: str, value: str, names: str) -> str:
        what = {"category": f"同属“{value}”", "brand": f"同一品牌“{value}”", "price": "价位相近"}
        return f"与{names}{what.get(column, f'{column}同为“{value}”')}。"

    def modality(self, name: str, share: float) -> str:
        return f"{share:.0%}的匹配来自它的{_MODALITIES.get(name, (name, name))[1]}。"

    def review(self, phrase: str) -> str:
        return f"买家评价：“{phrase}”"

    def rule(self, name: str, without: int, rank: int) -> str:
        return f"规则“{name}”把它从第{without}位移到第{rank}位。"

    def above(self, above: str, below: str, names: str) -> str:
        return f"“{above}”排在“{below}”之前，是因为{names}。"

    def turned(self, n: int) -> str:
        return "如果没有这些记录，两者的顺序会反过来。"


_MODALITIES = {"text": ("description", "文字描述"), "image": ("picture", "图片"), "behaviour": ("buyers", "用户行为")}
LANGUAGES: Mapping[str, Words] = {"en": _English(), "zh": _Chinese()}
