"""Questions on an item: sentences that answer, with stars; nothing where nothing answers; personal data taken out."""

from collections.abc import Sequence

import numpy as np
import pytest

from mmreco.arrays import F32
from mmreco.data.ids import IdMap
from mmreco.data.reviews import Reviews
from mmreco.errors import DataError, UnknownIdError
from mmreco.questions.answers import ItemQuestions
from mmreco.questions.privacy import scrub
from mmreco.questions.sentences import sentence_spans, sentences

SAID = [
    ("hat", 2, "The size runs small. Colour is fine."),
    ("hat", 5, "Lovely colour! Fast delivery, call me on 138-1234-5678."),
    ("hat", 3, "尺码偏大，颜色很好看。物流很慢"),
    ("mug", 4, "Holds a pint."),
]


def reviews() -> Reviews:
    items = IdMap.of(["hat", "mug", "lamp"])
    rows = items.rows([item for item, _, _ in SAID])
    return Reviews.from_rows(items, rows, [text for *_, text in SAID], ratings=[stars for _, stars, _ in SAID])


@pytest.mark.parametrize(
    ("question", "text", "stars"),
    [
        ("Does the size run small?", "The size runs small.", 2),
        ("How is the delivery?", "Fast delivery, call me on ***.", 5),
        ("物流慢吗？", "物流很慢", 3),
        ("物流慢嗎？", "物流很慢", 3),
    ],
)
def test_the_sentence_that_answers_comes_first(question: str, text: str, stars: float) -> None:
    answered = ItemQuestions(reviews()).ask("hat", question)
    assert answered.enough
    assert answered.quotes[0].text == text
    assert answered.quotes[0].stars == stars
    assert text.split("*")[0] in reviews().texts[answered.quotes[0].review]
    assert len({quote.review for quote in answered.quotes}) == len(answered.quotes)


@pytest.mark.parametrize(
    ("item", "question"), [("mug", "Does the size run small?"), ("lamp", "Is it bright?"), ("hat", "")]
)
def test_what_the_reviews_do_not_say_is_said_so(item: str, question: str) -> None:
    answered = ItemQuestions(reviews()).ask(item, question)
    assert not answered.enough
    assert str(answered) == "not enough reviews"
    assert 0 <= answered.confidence < 0.5


class Likes:
    """An encoder and a reader that like one word."""

    def __init__(self, word: str) -> None:
        self.word = word

    dim = 2
    fingerprint = "likes"

    def encode(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        liked = [self.word in text or text.endswith("?") for text in contents]
        return np.array([[yes, not yes] for yes in liked], dtype=np.float32)

    def score(self, queries: Sequence[str], documents: Sequence[Sequence[str]]) -> list[F32]:
        return [np.array([9.0 if self.word in text else -9.0 for text in texts], np.float32) for texts in documents]


def test_meaning_and_reader_find_what_words_do_not() -> None:
    question = "Will it arrive on time?"
    by_meaning = ItemQuestions(reviews(), encoder=Likes("Fast")).ask("hat", question)
    by_reading = ItemQuestions(reviews(), reader=Likes("Fast")).ask("hat", question)
    assert by_meaning.quotes[0].text == by_reading.quotes[0].text == "Fast delivery, call me on ***."


def test_what_is_wrong_is_said() -> None:
    questions = ItemQuestions(reviews())
    with pytest.raises(UnknownIdError, match="1 of 1 ids unknown, first 'coat'"):
        questions.ask("coat", "Warm?")
    with pytest.raises(DataError, match="k=0"):
        questions.ask("hat", "Warm?", k=0)
    with pytest.raises(DataError, match="least=2"):
        ItemQuestions(reviews(), least=2)


# ---- sentences


def test_sentences_of_both_languages() -> None:
    text = "It costs 3.50. Great!!  不错。物流快！\nOK"
    assert sentences(text) == ["It costs 3.50.", "Great!!", "不错。", "物流快！", "OK"]
    assert sentence_spans("... !!") == []
    assert [text[a:b] for a, b in sentence_spans(text)] == sentences(text)


def test_a_sentence_without_end_is_parted() -> None:
    long = "and it is warm, " * 100
    parts = sentence_spans(long)
    assert max(b - a for a, b in parts) <= 240
    assert "".join(long[a:b] for a, b in parts).replace(" ", "") == long.replace(" ", "")


# ---- personal data


@pytest.mark.parametrize(
    "secret",
    [
        "13812345678",
        "+86 138 1234 5678",
        "138-1234-5678",
        "010-8888-9999",
        "(555) 123-4567",
        "+44 20 7946 0958",
        "jo.bloggs+shop@mail.example.com",
        "110101199003078515",
        "11010119900307851X",
        "6222 0212 3456 7890",
        "SF1234567890123",
        "https://example.com/jo",
    ],
)
def test_personal_data_is_taken_out(secret: str) -> None:
    scrubbed = scrub(f"good, {secret} thanks")
    assert secret not in scrubbed
    assert scrubbed == "good, *** thanks"


@pytest.mark.parametrize(
    "account", ["微信：jo_bloggs88", "QQ 12345678", "加我微信号jobloggs1", "WhatsApp: +44 7700 900123"]
)
def test_accounts_are_taken_out(account: str) -> None:
    scrubbed = scrub(account)
    assert "***" in scrubbed
    assert not any(part in scrubbed for part in ("bloggs", "12345678", "7700"))


@pytest.mark.parametrize(
    "plain", ["cost 1299.00 for 2", "size 38-40", "iPhone 14 Pro", "F9K1015", "2023-11-12", "350毫升", "10:30"]
)
def test_prices_sizes_dates_and_codes_stay(plain: str) -> None:
    assert scrub(plain) == plain
