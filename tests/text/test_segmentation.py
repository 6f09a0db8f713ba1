"""segment: words of Chinese and other texts, and that jieba behaves."""

import pickle
import subprocess
import sys
import time
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmreco.text.segmentation as module
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.errors import DataError
from mmreco.text.folding import fold
from mmreco.text.segmentation import STOP_WORDS, Segmenter, is_chinese, segment, segment_all


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("红色连衣裙", ["红色", "连衣裙"]),
        ("红色碎花连衣裙 Red floral dress", ["红色", "碎花", "连衣裙", "red", "floral", "dress"]),
        ("The dress of the Women's", ["dress", "women"]),
        ("don’t", ["don't"]),
        ("T-Shirt, tshirt and V-neck; polka-dot", ["tshirt", "tshirt", "vneck", "polka", "dot"]),
        ("T恤 t恤 U盘", ["t恤", "t恤", "u盘"]),
        ("Ｒｅｄ　１．５Ｌ", ["red", "1.5l"]),
        ("1.5米", ["1.5", "米"]),
        ("end.Next", ["end", "next"]),
        ("不好看，没有用", ["不", "好看", "没有", "用"]),
        ("café Straße", ["café", "strasse"]),
        ("_-'. \n☺", []),
        ("\ud800red", ["red"]),
        ("手機殼", ["手机", "壳"]),
        ("紅色的連衣裙，這件T恤", ["红色", "连衣裙", "这件", "t恤"]),
        ("한국어 원피스", ["한국어", "원피스"]),
        ("ꀀꀁ ꂰ", ["ꀀꀁ", "ꂰ"]),
        ("हिन्दी की साड़ी", ["हिन्दी", "की", "साड़ी"]),
        ("กางเกงสีแดง", ["กางเกงสีแดง"]),
        ("שִׂמְלָה שמלה", ["שמלה", "שמלה"]),
        ("فُسْتَانٌ فستان فســتان", ["فستان", "فستان", "فستان"]),
        ("می‌خواهم", ["میخواهم"]),
        ("வெள்ளை சட்டை", ["வெள்ளை", "சட்டை"]),
        ("dis\u00adcount 1\ufe0f\u20e3", ["discount", "1"]),
        ("cafe\u0301 x\u0302y", ["café", "x\u0302y"]),
        ("\u200b", []),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert segment(text) == words


def test_negations_are_no_stop_words() -> None:
    assert not STOP_WORDS & {"no", "not", "不", "没", "没有", "别", "never"}


def test_all_texts_in_order_each_cut_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cut: list[str] = []
    inner = module.segment

    def spy(text: str) -> list[str]:
        cut.append(text)
        return inner(text)

    monkeypatch.setattr(module, "segment", spy)
    assert segment_all(["红裙", "", "a red hat", "红裙"]) == [inner("红裙"), [], ["red", "hat"], inner("红裙")]
    assert cut == ["红裙", "", "a red hat"]


def test_what_is_no_text_is_named() -> None:
    with pytest.raises(DataError, match="NoneType"):
        segment(None)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"row 1 is 7; expected a string"):
        segment_all(["red", 7])  # type: ignore[list-item]


@given(st.text(alphabet=st.characters(), max_size=60) | st.text(alphabet="红色连衣裙的T恤ab1.-'’ ", max_size=60))
def test_words_come_from_the_text(text: str) -> None:
    words = segment(text)
    assert all(words)
    assert not STOP_WORDS.intersection(words)
    held = module._in_one_form(text).upper().lower()
    plain = held.replace("-", "").replace("’", "'")
    assert all(word in plain or word.upper().lower() in plain for word in words)


def test_is_chinese() -> None:
    assert [is_chinese(text) for text in ("裙", "T恤", "𠀀", "red", "ドレス", "")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


def test_jieba_and_its_rust_twin_agree() -> None:
    rust = pytest.importorskip("rjieba")
    cut = module._jieba()
    for text in ("红色碎花连衣裙", "秋冬新款女士长袖针织衫", "小明硕士毕业于中国科学院计算所", "手机壳不多见"):
        assert list(cut(text)) == list(rust.cut(text))


def test_rjieba_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = ModuleType("rjieba")
    fake.cut = lambda text: [text[:1], text[1:]]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rjieba", fake)
    monkeypatch.setattr(module, "_loaded", [])
    assert segment("连衣裙") == ["连", "衣裙"]


_ALONE = """
import os, sys, tempfile, logging
tempfile.tempdir = sys.argv[1]
import mmreco.text.segmentation
assert "jieba" not in sys.modules, "jieba is loaded on import"
assert mmreco.text.segmentation.segment("red hat") == ["red", "hat"] and "jieba" not in sys.modules
sys.modules["rjieba"] = None
assert mmreco.text.segmentation.segment("红色连衣裙") == ["红色", "连衣裙"]
assert not logging.getLogger().handlers
"""


def test_jieba_is_lazy_silent_and_leaves_no_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    # -B: without its compiled files jieba's own warnings come up anew, and -W error would make them fatal.
    # A cache planted in the temporary folder must not be opened either: this one would make jieba fall silent.
    (tmp_path / "jieba.cache").write_bytes(b"planted")
    done = subprocess.run(
        [sys.executable, "-B", "-X", f"pycache_prefix={tmp_path / 'none'}", "-W", "error", "-c", _ALONE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["jieba.cache"]
    assert (tmp_path / "jieba.cache").read_bytes() == b"planted"


@pytest.mark.parametrize("text", ["한국어", "ꀀ", "가나다", "ﷺ", "हिन्दी"])
def test_hangul_yi_and_others_are_not_chinese(text: str) -> None:
    assert not is_chinese(text)


def test_compatibility_forms_are_chinese() -> None:
    assert is_chinese("\uf900")
    assert is_chinese("\ufa70")


def test_the_shop_s_words_travel_to_another_process() -> None:
    shop = Segmenter(("墨柳",))
    assert shop.segment("墨柳连衣裙") == ["墨柳", "连衣裙"]
    assert pickle.loads(pickle.dumps(shop)).segment("墨柳连衣裙") == ["墨柳", "连衣裙"]


def test_long_runs_are_cut_as_short_ones_are() -> None:
    assert segment("红色连衣裙" * 400) == ["红色", "连衣裙"] * 400


HOSTILE = [
    "a" + "\u0301" * 80_000,
    "\u0301\u0327" * 500_000,
    " " * 2_000_000 + "red",
    "'" * 1_000_000,
    "a'" * 500_000,
    "红" * 200_000,
    "裙" * 200_000,
    "a-" * 500_000,
    "1." * 500_000,
    "\u200d" * 1_000_000,
    "ş\u0327" * 100_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_takes_linear_time(text: str) -> None:
    segment("红 é")  # loads the dictionary
    start = time.process_time()
    segment(text)
    fold(text)
    assert time.process_time() - start < 10


def test_traditional_and_simplified_texts_meet() -> None:
    titles = ["手机壳 透明", "红色连衣裙", "皮革手提包", "白色衬衫", "手機殼 防摔", "紅色裙子"]
    encoder = LexicalEncoder(dim=4).fit(titles)
    first, second = encoder.encode(["手機殼", "手机壳"])
    assert float(first @ second) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("日本語のドレス", ["日本语", "の", "ドレス"]),
        ("黒いワンピース", ["黒", "い", "ワンピース"]),
        ("のドレス", ["の", "ドレス"]),
        ("ｶｰﾃﾞｨｶﾞﾝ", ["カーディガン"]),
        ("Tシャツ", ["t", "シャツ"]),
        ("한국어 원피스 LG전자", ["한국어", "원피스", "lg전자"]),
    ],
)
def test_japanese_is_cut_where_its_writing_changes(text: str, words: list[str]) -> None:
    """A dress is found among Chinese characters and alone: ドレス was cut letter by letter beside them."""
    assert segment(text) == words


@pytest.mark.parametrize(("one", "other"), [("Straße", "STRASSE"), ("İstanbul", "istanbul"), ("ΜΑΎΡΟΣ", "μαύρος")])
def test_capitals_meet_small_letters_in_every_script(one: str, other: str) -> None:
    assert segment(one) == segment(other)
