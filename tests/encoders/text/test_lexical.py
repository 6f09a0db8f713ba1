"""LexicalEncoder: equal to its slow twin, finds what two words ask for in both languages, honest about the unknown."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmreco.datasets.synthetic.facts as facts_of_shop
import mmreco.encoders.text.lexical as module
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.protocols import Encoder
from mmreco.text.segmentation import segment

COLOURS = {"red": "红色", "blue": "蓝色", "green": "绿色", "black": "黑色", "white": "白色", "pink": "粉色"}
KINDS = {"dress": "连衣裙", "shirt": "衬衫", "shoes": "鞋子", "bag": "手提包", "hat": "帽子"}
PATTERNS = {"floral": "碎花", "striped": "条纹", "checked": "格子", "plain": "纯色"}
WORDS = ["soft", "warm", "light", "cotton", "silk", "summer", "office", "classic", "new", "gift", "slim", "travel"]
WOERTER = ["柔软", "保暖", "轻便", "纯棉", "真丝", "夏季", "通勤", "经典", "新款", "礼物", "修身", "旅行"]


def _catalogue(n: int = 1200) -> tuple[list[str], list[tuple[str, str]]]:
    """Titles and descriptions: two in three bilingual, the rest in one language, of differing lengths."""
    rng = np.random.default_rng(7)
    texts, facts = [], []
    for _ in range(n):
        colour, kind, pattern = (str(rng.choice(list(table))) for table in (COLOURS, KINDS, PATTERNS))
        some = rng.permutation(len(WORDS))[: rng.integers(2, 7)]
        en = f"{colour.title()} {pattern} {kind}. {' '.join(WORDS[i] for i in some)}"
        zh = f"{COLOURS[colour]}{PATTERNS[pattern]}{KINDS[kind]}，{'，'.join(WOERTER[i] for i in some)}"
        if rng.random() < 0.3:  # the description says the kind once more
            en, zh = f"{en}. A {kind} for you", f"{zh}。这款{KINDS[kind]}"
        texts.append(([f"{zh} {en}"] * 4 + [zh, en])[rng.integers(6)])
        facts.append((colour, kind))
    return texts, facts


@pytest.fixture(scope="module")
def shop() -> tuple[list[str], list[tuple[str, str]], LexicalEncoder]:
    texts, facts = _catalogue()
    return texts, facts, LexicalEncoder().fit(texts)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_colour_and_kind_find_their_products(
    shop: tuple[list[str], list[tuple[str, str]], LexicalEncoder], language: str
) -> None:
    texts, facts, encoder = shop
    asked = list(itertools.product(COLOURS, KINDS))
    queries = [f"{c} {k}" if language == "en" else COLOURS[c] + KINDS[k] for c, k in asked]
    scores = encoder.encode_query(queries) @ encoder.encode(texts).T  # (q, n)
    best = np.argsort(-scores, axis=1)[:, :10]
    right = np.array([[facts[row] == want for row in rows] for rows, want in zip(best, asked, strict=True)])
    assert right.mean() >= 0.98
    assert right.mean(axis=1).min() >= 0.8


def test_words_used_together_are_near(shop: tuple[list[str], list[tuple[str, str]], LexicalEncoder]) -> None:
    _, _, encoder = shop
    en, zh = encoder.encode(list(COLOURS)), encoder.encode(list(COLOURS.values()))
    assert ((en @ zh.T).argmax(axis=1) == np.arange(len(COLOURS))).all()


def test_equals_the_slow_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["red dress", "blue dress dress", "red hat", "green hat shoes", "blue shoes shoe", "hat dress"]
    encoder = LexicalEncoder(dim=4).fit(texts)
    words = [[word.replace("shoes", "shoe") for word in segment(text)] for text in texts]
    terms = sorted({word for found in words for word in found})
    counts = np.array([[found.count(term) for term in terms] for found in words], dtype=float)
    idf = np.log((1 + len(texts)) / (1 + (counts > 0).sum(axis=0))) + 1
    weights = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * idf
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    _, sizes, right = np.linalg.svd(weights)
    gains = (sizes[:4] ** 2 / (sizes[:4] ** 2 + sizes[0] ** 2)) ** 2  # the knee lies at direction 4 / 8
    vectors = weights @ (right[:4].T * gains)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert list(encoder.terms_) == terms
    ours = encoder.encode(texts)
    np.testing.assert_allclose(ours @ ours.T, vectors @ vectors.T, atol=1e-5)
    np.testing.assert_allclose(np.abs(ours), np.abs(vectors), atol=1e-5)


def test_language_is_taken_out() -> None:
    texts = [f"{c} {k}" for c in COLOURS for k in KINDS] + [a + b for a in COLOURS.values() for b in KINDS.values()]
    texts += [f"{c} {k} {COLOURS[c]}{KINDS[k]}" for c in COLOURS for k in KINDS]
    vectors = LexicalEncoder().fit(texts).encode(texts)
    language = np.repeat([-1.0, 1.0, 0.0], len(COLOURS) * len(KINDS))
    assert np.abs(vectors.T @ language).max() / len(texts) < 0.02
    monolingual = LexicalEncoder(dim=8).fit(texts[:30])
    assert monolingual.vocabulary_coverage(["red"]) == 1


def test_unit_length_or_zero(shop: tuple[list[str], list[tuple[str, str]], LexicalEncoder]) -> None:
    _, _, encoder = shop
    vectors = encoder.encode(["red dress", "zebra", "", "the 的", "zebra 红色"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 0, 0, 1], atol=1e-6)
    assert vectors.dtype == np.float32
    assert encoder.encode([]).shape == (0, 256)
    np.testing.assert_allclose(
        encoder.vocabulary_coverage(["red dress", "zebra", "", "red zebra", "红色zebra", "the"]), [1, 0, 0, 0.5, 0.5, 0]
    )


def test_batches_are_of_no_account(shop: tuple[list[str], list[tuple[str, str]], LexicalEncoder]) -> None:
    texts, _, encoder = shop
    asked = [*texts[:50], "", *texts[:3]]
    whole = encoder.encode(asked)
    np.testing.assert_array_equal(encoder.encode(asked, batch_size=1), whole)
    np.testing.assert_array_equal(whole[-3:], whole[:3])


@pytest.mark.parametrize("texts", [["red"], ["red dress", "red dress"], ["红色"], ["a b c", "", "d e f"]])
def test_fewer_texts_than_width(texts: list[str]) -> None:
    encoder = LexicalEncoder(dim=16).fit(texts)
    vectors = encoder.encode(texts)
    assert vectors.shape == (len(texts), encoder.dim) == (len(texts), 16)
    assert np.isfinite(vectors).all()
    for text, vector in zip(texts, vectors, strict=True):
        assert np.linalg.norm(vector) == pytest.approx(1 if text else 0, abs=1e-6)


def test_most_frequent_terms_are_kept() -> None:
    texts = ["red dress", "red hat", "red shoe", "blue dress"]
    assert list(LexicalEncoder(dim=4, max_terms=2).fit(texts).terms_) == ["dress", "red"]


def test_plurals_are_one_word() -> None:
    for plural, singular in [
        ("dresses", "dress"), ("shoes", "shoe"), ("watches", "watch"), ("ladies", "lady"), ("boxes", "box"),
        ("canvas", "canva"), ("dress", "dress"), ("bus", "bus"), ("gas", "gas"),
    ]:  # fmt: skip
        assert module.stem(plural) == singular


def test_pieces_of_chinese_words_count_a_little() -> None:
    texts = ["衬衫", "帽子", "半身裙", "台灯", "马克杯"]
    encoder = LexicalEncoder(dim=16).fit(texts)
    assert encoder.vocabulary_coverage(["长裙"]) == 0  # the word is not known, one of its characters is
    scores = encoder.encode(["长裙"]) @ encoder.encode(texts).T
    assert scores.argmax() == 2
    assert scores.max() > 2 * np.sort(scores[0])[-2]


def test_same_seed_same_vectors_and_fingerprint(tmp_path: Path) -> None:
    texts, _ = _catalogue(200)
    encoder = LexicalEncoder(dim=32).fit(texts)
    again = LexicalEncoder(dim=32).fit(texts)
    np.testing.assert_array_equal(encoder.components_, again.components_)
    assert encoder.fingerprint == again.fingerprint
    assert encoder.fingerprint != LexicalEncoder(dim=32).fit(texts[1:]).fingerprint
    (tmp_path / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    script = (
        "import json, sys; from mmreco.encoders.text.lexical import LexicalEncoder;"
        "print(LexicalEncoder(dim=32).fit(json.load(open(sys.argv[1]))).fingerprint)"
    )
    other = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "texts.json")], capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == encoder.fingerprint


def test_save_and_load(tmp_path: Path, shop: tuple[list[str], list[tuple[str, str]], LexicalEncoder]) -> None:
    texts, _, encoder = shop
    encoder.save(tmp_path / "kept")
    again = LexicalEncoder.load(tmp_path / "kept")
    assert again.fingerprint == encoder.fingerprint
    assert (again.dim, again.max_terms, again.seed) == (256, 50_000, 0)
    np.testing.assert_array_equal(again.encode(texts[:20]), encoder.encode(texts[:20]))
    (tmp_path / "plain").mkdir()
    encoder.save_to(tmp_path / "plain")
    about = json.loads((tmp_path / "plain" / "lexical.json").read_text(encoding="utf-8"))
    about["terms"].pop()
    (tmp_path / "plain" / "lexical.json").write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(IncompatibleError, match="directions of shape"):
        LexicalEncoder.load_from(tmp_path / "plain")


def test_bad_calls(tmp_path: Path) -> None:
    fresh = LexicalEncoder()
    for call in (
        lambda: fresh.encode(["red"]),
        lambda: fresh.vocabulary_coverage(["red"]),
        lambda: fresh.fingerprint,
        lambda: fresh.save(tmp_path / "x"),
    ):
        with pytest.raises(NotFittedError, match=r"fit\(texts\)"):
            call()
    for options in ({"dim": 0}, {"max_terms": 0}):
        with pytest.raises(DataError, match="expected a whole number of 1 or more"):
            LexicalEncoder(**options)
    for texts in ([], ["", "the"]):
        with pytest.raises(DataError, match="no word in"):
            LexicalEncoder().fit(texts)
    with pytest.raises(DataError, match="row 1 is None"):
        LexicalEncoder().fit(["red", None])  # type: ignore[list-item]
    with pytest.raises(DataError, match="batch_size=0"):
        LexicalEncoder(dim=2).fit(["red"]).encode(["red"], batch_size=0)


def test_is_an_encoder() -> None:
    assert isinstance(LexicalEncoder(dim=2).fit(["red"]), Encoder)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_queries_on_the_planted_shop(language: str) -> None:
    """Synonyms, near colours (pink is 粉红色), titles in one language or both."""
    planted = synthetic_shop(n_items=1200, n_users=20, seed=0)
    texts = [text or "" for text in planted.catalogue.texts()]
    encoder = LexicalEncoder().fit(texts)
    vectors = encoder.encode(texts)
    found = []
    for colour, kind in itertools.product(facts_of_shop.COLOURS, facts_of_shop.CATEGORIES):
        query = f"{colour.en[0]} {kind.en[0]}" if language == "en" else colour.zh[0] + kind.zh[0]
        right = planted.truth.rows(category=kind.name, colour=colour.name)
        best = np.argsort(-(vectors @ encoder.encode_query([query])[0]))[:10]
        found.append(np.isin(best, right).sum() / min(10, len(right)))
    assert np.mean(found) >= 0.97  # 0.95 with the language left in
    assert np.min(found) >= 0.7


def test_numbers_of_numpy_are_saved(tmp_path: Path) -> None:
    options: dict[str, Any] = {"dim": np.int64(2), "max_terms": np.int32(9), "seed": np.int8(1)}
    encoder = LexicalEncoder(**options).fit(["red dress", "blue hat"])
    encoder.save(tmp_path / "x")
    assert LexicalEncoder.load(tmp_path / "x").fingerprint == encoder.fingerprint
