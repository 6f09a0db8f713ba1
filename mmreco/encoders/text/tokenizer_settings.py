"""What `tokenizer.json` may hold: known parts, bounded growth, patterns that take linear time.

The tokenizers library trusts its file: a pattern may backtrack for ever, a chain of replacements may grow a text
without end, and padding may be declared a billion tokens long.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mmreco.encoders.text.charsmap import require_sound_charsmap
from mmreco.errors import DataError

__all__ = ["require_sound_tokenizer"]

_PARTS: Final[dict[str, frozenset[str]]] = {
    "normalizer": frozenset(
        [
            "Sequence",
            "BertNormalizer",
            "NFC",
            "NFD",
            "NFKC",
            "NFKD",
            "Nmt",
            "Lowercase",
            "Strip",
            "StripAccents",
            "Replace",
            "Prepend",
            "Precompiled",
            "ByteLevel",
        ]
    ),
    "pre_tokenizer": frozenset(
        [
            "Sequence",
            "BertPreTokenizer",
            "Whitespace",
            "WhitespaceSplit",
            "ByteLevel",
            "Metaspace",
            "Split",
            "Punctuation",
            "Digits",
            "UnicodeScripts",
            "CharDelimiterSplit",
        ]
    ),
    "model": frozenset({"WordPiece", "BPE", "Unigram", "WordLevel"}),
    "post_processor": frozenset({"Sequence", "TemplateProcessing", "BertProcessing", "RobertaProcessing", "ByteLevel"}),
    "decoder": frozenset(
        [
            "Sequence",
            "WordPiece",
            "ByteLevel",
            "Metaspace",
            "BPEDecoder",
            "ByteFallback",
            "Fuse",
            "Strip",
            "Replace",
            "CTC",
        ]
    ),
}
_KEYS: Final = frozenset({"version", "truncation", "padding", "added_tokens", *_PARTS})
_MOST: Final = 2_000  # values in a part other than the vocabulary
_DEEP: Final = 8
_GROWTH: Final = 64  # letters a letter may become
_TOKENS: Final = 2_000_000
_ADDED: Final = 20_000
_LONGEST_WORD: Final = 1_000  # letters; a word's time is quadratic in them
_PADDED: Final = 1 << 16
_LONGEST_PATTERN: Final = 100
# A pattern that repeats a group, or goes on after what it repeats, may be tried in endlessly many ways.
_REPEATED_GROUP: Final = re.compile(r"(?<!\\)\)(?:[*+?]|\{)")
_GOES_ON: Final = re.compile(r"(?<!\\)(?:[*+]|\{\d+,\d*\})[+?]?.")
_CONTRACTIONS: Final = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST: Final = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_O200K: Final = (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]")
# Those that models in use split words by; their parts share no character, or are tried in few ways.
_KNOWN: Final = frozenset(
    {
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_REST}",
        rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_REST}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_O200K[0]}*{_O200K[1]}+{_CONTRACTIONS}?|[^\r\n\p{{L}}\p{{N}}]?{_O200K[0]}+{_O200K[1]}*"
        rf"{_CONTRACTIONS}?|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_REST}",
    }
)


def require_sound_tokenizer(path: Path, settings: Any) -> None:
    """Nothing, where the tokenizer is of known parts that take bounded time and memory.

    Raises
    ------
    DataError
        A part is not known, too large, or may take time or memory without end; it is named.
    """
    if not isinstance(settings, dict) or not settings.keys() <= _KEYS:
        odd = sorted(settings.keys() - _KEYS) if isinstance(settings, dict) else ["no object"]
        raise DataError(f"{path}: {odd[0]!r:.80}; expected a tokenizer of {', '.join(sorted(_KEYS))}")
    for name, kinds in _PARTS.items():
        part = settings.get(name)
        if part is not None:
            inner = {k: v for k, v in part.items() if k not in ("vocab", "merges")} if isinstance(part, dict) else part
            for one in _objects(path, name, inner):
                if "type" in one and isinstance(one["type"], str) and name != "post_processor":
                    _require_kind(path, name, one["type"], kinds)
                _require_pattern(path, one.get("pattern"))
                require_sound_charsmap(path, one.get("precompiled_charsmap"))
    _require_growth(path, settings.get("normalizer"))
    _require_growth(path, settings.get("pre_tokenizer"))
    _require_model(path, settings.get("model"))
    _require_lengths(path, settings)


def _require_kind(path: Path, name: str, kind: str, kinds: frozenset[str]) -> None:
    inner = {"Regex", "String", "SpecialToken", "First", "Left"}  # values, not parts
    if kind not in kinds and kind not in inner:
        raise DataError(f"{path}: {name} {kind!r:.80}; expected one of {', '.join(sorted(kinds))}")


def _objects(path: Path, name: str, part: Any) -> Iterator[dict[str, Any]]:
    """Every object inside a part, which is neither large nor deep."""
    waiting, count = [(part, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if count > _MOST or depth > _DEEP:
            raise DataError(
                f"{path}: {name}: more than {_MOST:,} values, or deeper than {_DEEP}; expected a tokenizer's"
            )
        if isinstance(value, dict):
            yield value
            waiting += [(one, depth + 1) for one in value.values()]
        elif isinstance(value, list):
            waiting += [(one, depth + 1) for one in value]


def _require_pattern(path: Path, pattern: Any) -> None:
    expression = pattern.get("Regex") if isinstance(pattern, dict) else None
    if expression is None or expression in _KNOWN:
        return
    if not isinstance(expression, str) or len(expression) > _LONGEST_PATTERN:
        raise DataError(f"{path}: a pattern of {len(str(expression)):,} characters; at most {_LONGEST_PATTERN}")
    alternatives = re.split(r"(?<!\\)\|", expression)
    if _REPEATED_GROUP.search(expression) or any(map(_GOES_ON.search, alternatives)):
        raise DataError(
            f"{path}: pattern {expression!r:.80} may take time without end; expected a repeat at its end only"
        )


def _require_growth(path: Path, part: Any) -> None:
    growth = 1
    for one in _objects(path, "normalizer", part):
        content = one.get("content", one.get("prepend"))
        if isinstance(content, str):
            growth *= max(1, len(content))
    if growth > _GROWTH:
        raise DataError(f"{path}: replacements that make {growth:,} letters of one; at most {_GROWTH}")


def _require_model(path: Path, model: Any) -> None:
    if not isinstance(model, dict):
        raise DataError(f"{path}: no model of words; expected one of {', '.join(sorted(_PARTS['model']))}")
    if model.get("type") is not None and model["type"] not in _PARTS["model"]:
        raise DataError(f"{path}: model {model['type']!r:.80}; expected one of {', '.join(sorted(_PARTS['model']))}")
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, (dict, list)) or not 1 <= len(vocabulary) <= _TOKENS:
        raise DataError(f"{path}: an empty vocabulary, or one of more than {_TOKENS:,} tokens")
    longest = model.get("max_input_chars_per_word", 100)
    if type(longest) is not int or not 1 <= longest <= _LONGEST_WORD:
        raise DataError(f"{path}: max_input_chars_per_word {longest!r:.40}; expected 1 to {_LONGEST_WORD:,}")
    if model.get("dropout"):
        raise DataError(f"{path}: dropout {model['dropout']!r:.40} makes vectors a matter of chance; expected none")


def _require_lengths(path: Path, settings: dict[str, Any]) -> None:
    added = settings.get("added_tokens") or []
    if not isinstance(added, list) or len(added) > _ADDED:
        raise DataError(f"{path}: more than {_ADDED:,} added tokens")
    for one in added:
        if not isinstance(one, dict) or not isinstance(one.get("content"), str) or not 0 < len(one["content"]) <= 1_000:
            raise DataError(f"{path}: added token {one!r:.80}; expected one of 1 to 1,000 characters")
    for name in ("truncation", "padding"):
        part = settings.get(name) or {}
        for one in _objects(path, name, part):
            for key, value in one.items():
                if isinstance(value, (int, float)) and not 0 <= value <= _PADDED:
                    raise DataError(f"{path}: {name}: {key} {value!r:.40}; expected 0 to {_PADDED:,}")
    if isinstance(settings.get("truncation"), dict) and settings["truncation"].get("stride"):
        raise DataError(f"{path}: truncation: stride {settings['truncation']['stride']!r:.40}; expected 0")
