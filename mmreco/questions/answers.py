"""ItemQuestions: sentences of an item's reviews that answer a question, or word that they do not.

McAuley, Yang, "Addressing complex and subjective product-related queries with customer reviews", 2016. Sentences are
ranked by the words they share with the question (BM25), by what they mean where there is an encoder, and by a model
that reads both where there is one. Deviates: nothing is generated; what is shown was written by a customer.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mmreco.arguments import require_kind
from mmreco.arrays import F32
from mmreco.data.reviews import Reviews
from mmreco.encoders.queries import encode_query
from mmreco.errors import DataError
from mmreco.protocols import Encoder
from mmreco.questions.privacy import scrub
from mmreco.questions.sentences import sentence_spans
from mmreco.retrieval.hybrid import Reader
from mmreco.retrieval.terms import pieces
from mmreco.text.folding import to_simplified
from mmreco.text.glossary import alike
from mmreco.text.segmentation import segment, segment_all
from mmreco.text.stemming import stem

__all__ = ["Answered", "ItemQuestions", "Quote", "SIGNS"]

_K1, _B = 1.2, 0.5
_MEANT = 200  # sentences compared by meaning, those that share most words first
_READ = 20  # and that are read together with the question
_SAMPLE = 20_000  # reviews that tell how common a word is
_SYNONYM = 0.6

# What each sign is worth in the order of sentences; and the log-odds that a sentence answers, a term a sign. Both were
# chosen on 350 training questions of SubjQA (electronics), with all-MiniLM-L6-v2 and a MiniLM-L12 cross-encoder.
SIGNS = {"words": 4.0, "meaning": 2.0, "reader": 0.15}
_SURE = {"words": (-0.75, 1.13), "meaning": (-0.88, 2.26), "reader": (0.5, 0.085)}


@dataclass(frozen=True)
class Quote:
    """A sentence that answers.

    Parameters
    ----------
    text : personal data replaced by `***`
    review : its row in the reviews
    stars : 1 to 5, or None where unknown
    helpful : how many found the review helpful
    score : larger is better, comparable inside one question
    """

    text: str
    review: int
    stars: float | None
    helpful: float
    score: float


@dataclass(frozen=True)
class Answered:
    """The answer of the reviews to a question.

    Parameters
    ----------
    question : as it was asked
    quotes : the best sentences, best first; empty where the reviews do not say
    confidence : 0 to 1
        How probably the best sentence answers.
    """

    question: str
    quotes: tuple[Quote, ...]
    confidence: float

    @property
    def enough(self) -> bool:
        """Whether the reviews say enough to answer."""
        return bool(self.quotes)

    def __str__(self) -> str:
        if not self.quotes:
            return "not enough reviews"
        return "\n".join(f"{'?' if q.stars is None else f'{q.stars:g}'} stars: {q.text}" for q in self.quotes)


@dataclass(frozen=True, eq=False)
class ItemQuestions:
    """Questions on items, answered from what their reviews say.

    Parameters
    ----------
    reviews : of the shop's items
    encoder : of the sentences' and the question's meaning, optional
        A `TextEncoder`: "offline" for English, "offline-multilingual" for both.
    reader : optional
        A `CrossEncoder`, which reads the first twenty sentences together with the question.
    least : 0 to 1, optional
        Below this confidence the answer is that there are not enough reviews.

    Raises
    ------
    DataError
        `least` is not between 0 and 1.

    Examples
    --------
    >>> from mmreco.data.ids import IdMap
    >>> said = Reviews.from_rows(IdMap.of(["hat", "mug"]), [0, 0, 1],
    ...     ["Nice red. The size runs small, mail me: jo@example.com", "Warm", "Holds a pint"], ratings=[3, 5, 4])
    >>> questions = ItemQuestions(said)
    >>> print(questions.ask("hat", "Does the size run small?"))
    3 stars: The size runs small, mail me: ***
    >>> print(questions.ask("mug", "Does the size run small?"))
    not enough reviews
    """

    reviews: Reviews
    encoder: Encoder[str] | None = None
    reader: Reader | None = None
    least: float = 0.35

    def __post_init__(self) -> None:
        require_kind("ItemQuestions", self.reviews, Reviews)
        if not 0 <= self.least <= 1:
            raise DataError(f"ItemQuestions: least={self.least}; expected 0 to 1")

    def ask(self, item: str, question: str, *, k: int = 3) -> Answered:
        """The sentences of this item's reviews that answer, best first, at most one a review.

        Parameters
        ----------
        item : an id of the catalogue
        question : Chinese or English
        k : 1 or more

        Raises
        ------
        UnknownIdError
            The item is not in the catalogue.
        DataError
            `question` is not a string, or `k` is below 1.
        """
        if k < 1:
            raise DataError(f"k={k}: expected 1 or more")
        row = int(self.reviews.items.rows([item])[0])
        first, last = int(self.reviews.starts[row]), int(self.reviews.starts[row + 1])
        spans = [(at, *span) for at in range(first, last) for span in sentence_spans(self.reviews.texts[at])]
        texts = [self.reviews.texts[at][begin:end] for at, begin, end in spans]
        scores, confidences = self.rank(question, texts)
        quotes: dict[int, Quote] = {}
        for place in np.argsort(-scores, kind="stable").tolist():
            at = spans[place][0]
            if at not in quotes and confidences[place] >= self.least and len(quotes) < k:
                quotes[at] = self._quote(at, texts[place], float(scores[place]))
        return Answered(question, tuple(quotes.values()), float(confidences.max(initial=0.0)))

    def rank(self, question: str, texts: Sequence[str]) -> tuple[F32, F32]:
        """How well each sentence answers, and how probably it does, 0 to 1; both of shape `(len(texts),)`.

        Parameters
        ----------
        question : in English or Chinese
        texts : sentences of reviews

        Raises
        ------
        DataError
            `question` is not a string.
        """
        if not texts:
            segment(question)  # refuses what is not text
            return np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.float32)
        signs = self.signs(question, texts)
        scores = np.sum([SIGNS[name] * values for name, values in signs.items()], axis=0)
        odds = np.sum([_SURE[name][0] + _SURE[name][1] * values for name, values in signs.items()], axis=0)
        return scores.astype(np.float32), (1 / (1 + np.exp(-odds))).astype(np.float32)

    def signs(self, question: str, texts: Sequence[str]) -> dict[str, F32]:
        """What speaks for each sentence, by the names of `SIGNS`: each of shape `(len(texts),)`.

        Parameters
        ----------
        question, texts : as `rank`
        """
        words = self._shared_words(question, texts)
        out = {"words": words}
        order = np.argsort(-words, kind="stable")
        if self.encoder is not None:
            chosen = order[:_MEANT]
            asked = encode_query(self.encoder, [question])[0]
            vectors = encode_query(self.encoder, [texts[at] for at in chosen.tolist()])
            out["meaning"] = np.zeros(len(texts), dtype=np.float32)
            out["meaning"][chosen] = vectors @ asked
            order = np.argsort(-(SIGNS["words"] * words + SIGNS["meaning"] * out["meaning"]), kind="stable")
        if self.reader is not None:
            chosen = order[:_READ]
            read = self.reader.score([question], [[texts[at] for at in chosen.tolist()]])[0]
            out["reader"] = np.full(len(texts), float(read.min()) - 1, dtype=np.float32)
            out["reader"][chosen] = read
        return out

    def _shared_words(self, question: str, texts: Sequence[str]) -> F32:
        """BM25 of each sentence, as a share of the most the question's words can bring, shape `(len(texts),)`."""
        asked = list(dict.fromkeys(stem(word) for word in segment(to_simplified(question))))
        bags = [_bag(words) for words in segment_all([to_simplified(text) for text in texts])]
        sizes = np.array([max(1.0, sum(bag.values())) for bag in bags])
        share = _K1 * (1 - _B + _B * sizes / sizes.mean())  # (s,)
        total, limit = np.zeros(len(bags)), 0.0
        for word in asked:
            parts = [piece for piece in pieces(word) if len(piece) > 1]  # one character says too little
            readings = {word: 1.0, **dict.fromkeys((*alike(word), *parts), _SYNONYM)}
            weight = self._rarity(word)
            counts = np.array([max(w * bag.get(other, 0.0) for other, w in readings.items()) for bag in bags])
            total += weight * counts * (_K1 + 1) / (counts + share)
            limit += weight * (_K1 + 1)
        return (total / limit if limit else total).astype(np.float32)

    def _rarity(self, word: str) -> float:
        often, n = self._often
        return float(np.log1p((n - often[word] + 0.5) / (often[word] + 0.5)))

    @cached_property
    def _often(self) -> tuple[Counter[str], int]:
        """How many of a sample of reviews hold each word, and how many those are."""
        n = len(self.reviews)
        chosen: npt.NDArray[np.int64] = np.linspace(0, max(0, n - 1), min(n, _SAMPLE)).astype(np.int64)
        often: Counter[str] = Counter()
        for at in chosen.tolist():
            often.update(_bag(segment(to_simplified(self.reviews.texts[at]))).keys())
        return often, len(chosen)

    def _quote(self, at: int, text: str, score: float) -> Quote:
        stars = float(self.reviews.ratings[at])
        return Quote(scrub(text), at, None if np.isnan(stars) else stars, float(self.reviews.helpful[at]), score)


def _bag(words: Sequence[str]) -> dict[str, float]:
    bag: dict[str, float] = {}
    for word in words:
        for term in (stem(word), *pieces(word)):
            bag[term] = bag.get(term, 0.0) + 1.0
    return bag
