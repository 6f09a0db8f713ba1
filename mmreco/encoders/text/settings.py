"""Settings from strangers, allowed by list: each key that is known has a type and bounds, and no other is handed on."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmreco.errors import DataError

__all__ = [
    "Rule",
    "allowed",
    "any_of",
    "each",
    "every_value",
    "flag",
    "integer",
    "nothing",
    "number",
    "one_of",
    "optional",
    "settings_of",
    "text",
]

Rule = Callable[[Any], str | None]
"""What is expected instead of a value; None where the value is allowed."""


def flag(value: Any) -> str | None:
    """True or false."""
    return None if isinstance(value, bool) else "true or false"


def nothing(value: Any) -> str | None:
    """No value: null, an empty list, object or text."""
    return None if value is None or value in ({}, [], "") or value is False else "nothing"


def integer(least: int, most: int) -> Rule:
    """A whole number between two bounds."""

    def rule(value: Any) -> str | None:
        fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return None if fits else f"a whole number from {least:,} to {most:,}"

    return rule


def number(least: float, most: float) -> Rule:
    """A finite number between two bounds."""

    def rule(value: Any) -> str | None:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        return None if fits and least <= value <= most else f"a number from {least:g} to {most:g}"

    return rule


def text(longest: int) -> Rule:
    """A text of at most so many characters."""

    def rule(value: Any) -> str | None:
        return None if isinstance(value, str) and len(value) <= longest else f"a text of at most {longest:,} characters"

    return rule


def one_of(*values: Any) -> Rule:
    """One of these values."""

    def rule(value: Any) -> str | None:
        fits = any(type(value) is type(one) and value == one for one in values)
        return None if fits else "one of " + ", ".join(map(repr, values))

    return rule


def optional(inner: Rule) -> Rule:
    """As the inner rule, or null."""
    return lambda value: None if value is None else inner(value)


def any_of(*rules: Rule) -> Rule:
    """As any of these rules."""

    def rule(value: Any) -> str | None:
        expected = [one(value) for one in rules]
        return None if None in expected else " or ".join(map(str, expected))

    return rule


def each(inner: Rule, most: int) -> Rule:
    """A list of at most so many values."""

    def rule(value: Any) -> str | None:
        if not isinstance(value, list) or len(value) > most:
            return f"a list of at most {most:,} values"
        return next((f"a list, each {expected}" for one in value if (expected := inner(one))), None)

    return rule


def every_value(inner: Rule, most: int) -> Rule:
    """An object of at most so many values."""

    def rule(value: Any) -> str | None:
        if not isinstance(value, dict) or len(value) > most:
            return f"an object of at most {most:,} values"
        return next((f"an object, each value {expected}" for one in value.values() if (expected := inner(one))), None)

    return rule


def settings_of(rules: Mapping[str, Rule]) -> Rule:
    """An object with these settings and no others."""

    def rule(value: Any) -> str | None:
        if not isinstance(value, dict):
            return "an object"
        for key, one in value.items():
            if key not in rules:
                return f"an object without {key!r:.40}; of {', '.join(rules) or 'nothing'}"
            expected = rules[key](one)
            if expected:
                return f"an object with {key!r} {expected}"
        return None

    return rule


def allowed(path: Path, settings: Any, rules: Mapping[str, Rule]) -> dict[str, Any]:
    """The settings, each of which is known and within its bounds.

    Raises
    ------
    DataError
        They are no object, one is not known, or has another type or value than it may have; it is named.
    """
    if not isinstance(settings, dict):
        raise DataError(f"{path}: expected an object of settings")
    for key, value in settings.items():
        if key not in rules:
            raise DataError(f"{path}: {key!r:.80} is no setting that is known; expected {', '.join(sorted(rules))}")
        expected = rules[key](value)
        if expected:
            raise DataError(f"{path}: {key!r} is {value!r:.80}; expected {expected}")
    return dict(settings)
