"""The promises everything above stands on: a class that keeps one works wherever it is asked for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self, TypeVar, runtime_checkable

from mmreco.arrays import F32, I64, Bool
from mmreco.data.boxes import Boxes
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request

__all__ = [
    "CoversVocabulary",
    "Detects",
    "Encoder",
    "HoldsVectors",
    "PlacesItems",
    "QueryEncoder",
    "Recommends",
    "Searches",
    "Storable",
]

Content = TypeVar("Content", contravariant=True)


@runtime_checkable
class Encoder(Protocol[Content]):
    """Content in, vectors out. Knows nothing of ids, users or indexes. Nothing else is needed of an encoder."""

    @property
    def dim(self) -> int:
        """The width of a vector."""

    @property
    def fingerprint(self) -> str:
        """What makes the vectors what they are: model, weights' hash, preprocessing, width."""

    def encode(self, contents: Sequence[Content], *, batch_size: int = 64) -> F32:
        """Vectors of unit length, shape `(n, dim)`.

        Parameters
        ----------
        contents : `n` of what the encoder reads: texts, pictures, histories
        batch_size : 1 or more
            Contents that are worked on at once.
        """


@runtime_checkable
class QueryEncoder(Encoder[Content], Protocol[Content]):
    """An encoder that treats what is searched for and what is searched in differently, by a prompt say.

    The names are those of sentence-transformers. Of a plain `Encoder` both are `encode`.
    """

    def encode_query(self, queries: Sequence[Content], *, batch_size: int = 64) -> F32:
        """Vectors of unit length of what a shopper asks for, shape `(n, dim)`.

        Parameters
        ----------
        queries : `n` of what a shopper asks with
        batch_size : as `Encoder.encode`
        """

    def encode_document(self, contents: Sequence[Content], *, batch_size: int = 64) -> F32:
        """Vectors of unit length of what items hold, shape `(n, dim)`.

        Parameters
        ----------
        contents, batch_size : as `Encoder.encode`
        """


@runtime_checkable
class CoversVocabulary(Protocol[Content]):
    """An encoder that knows how much of a query its vocabulary covers.

    Where several encoders read a query, each counts by its coverage. One that does not say counts 1.
    """

    def vocabulary_coverage(self, queries: Sequence[Content]) -> F32:
        """The share of each of `queries` that is in the vocabulary, shape `(n,)`, 0 to 1."""


@runtime_checkable
class ReadsWords(Protocol):
    """An encoder of pictures whose vectors lie near those of what would be written about them."""

    @property
    def dim(self) -> int:
        """The width of a vector."""

    @property
    def fingerprint(self) -> str:
        """What makes the vectors what they are."""

    def encode_words(self, texts: Sequence[str]) -> F32:
        """Vectors of unit length of texts, shape `(n, dim)`, to be compared with those of pictures."""

    def words_coverage(self, texts: Sequence[str]) -> F32:
        """How much of each text is known, shape `(n,)`, 0 to 1."""


@runtime_checkable
class Detects(Protocol[Content]):
    """Pictures in, boxes out: where the products are."""

    def detect(self, pictures: Sequence[Content]) -> list[Boxes]:
        """The boxes of each of `pictures`, best first, in pixels of the upright one; none where nothing was found."""


@runtime_checkable
class Storable(Protocol):
    """What can be written into a folder of an artefact and read again."""

    def save_to(self, path: Path) -> None:
        """Write everything into the existing, empty folder `path`; nothing is pickled."""

    @classmethod
    def load_from(cls, path: Path) -> Self:
        """What `save_to` wrote into the folder `path`."""


@runtime_checkable
class Recommends(Protocol):
    """A request in, a ranking out: all that pages, evaluation and service ask of a model."""

    def recommend(self, request: Request, /) -> Ranking:
        """The `request.k` best items for each history of `request`, best first."""


@runtime_checkable
class Searches(Protocol):
    """Vectors in, ranking out."""

    def search(
        self, queries: F32, k: int, *, where: Bool | None = None, exclude: Interactions | None = None
    ) -> Ranking:
        """The `k` items nearest to each query, shape `(n, dim)`.

        Parameters
        ----------
        queries : shape `(n, dim)`, float32
        k : 1 or more
            Width of the answer.
        where : shape `(n_items,)` or `(n, n_items)`, optional
            Which items may be returned, for all queries or for each.
        exclude : `n` users, optional
            Items that query `q` must not return.
        """


@runtime_checkable
class HoldsVectors(Protocol):
    """Ids with a vector each, looked up a few at a time: `Embeddings`, or an index whose items change."""

    @property
    def ids(self) -> IdMap:
        """The ids of the items, in the order of their rows."""

    @property
    def dim(self) -> int:
        """The width of a vector."""

    @property
    def fingerprint(self) -> str:
        """What made the vectors."""

    def vectors_of(self, rows: I64) -> F32:
        """The vectors of `rows`, shape `(m,)`, as `(m, dim)`."""


@runtime_checkable
class PlacesItems(Recommends, Protocol):
    """A model that gives vectors to items added after it was fitted, and reads histories that hold them."""

    def place(self, catalogue: Catalogue, content: Mapping[str, Embeddings]) -> Embeddings:
        """The vectors of new items; those of which nothing is known are left out.

        Parameters
        ----------
        catalogue : the new items
        content : their vectors by name, e.g. `{"text": ...}`; items may be missing from any of them
        """

    def recommend_from(self, index: Searches, request: Request, *, items: HoldsVectors | None = None) -> Ranking:
        """The answer from an index that holds items which came later.

        Parameters
        ----------
        index : over the items fitted on, and those that came later
        request : whose histories and candidates are over the index's items
        items : the vectors that histories are read with, optional
            Those fitted on when omitted.
        """
