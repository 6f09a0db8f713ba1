"""A picture encoder in a text encoder's space, so that words find pictures of which nothing is written."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from mmreco.arguments import require_kind
from mmreco.arrays import F32
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.encoders.image.decoding import PictureContent
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.encoders.image.projection import projected
from mmreco.encoders.queries import encode_document, encode_query, vocabulary_coverage
from mmreco.encoders.registry import encoder_class, encoder_kind
from mmreco.errors import IncompatibleError
from mmreco.protocols import Encoder

__all__ = ["WordedImageEncoder"]


class WordedImageEncoder:
    """Pictures to vectors near those of what would be written about them.

    Pictures are compared with pictures as by any encoder of pictures; `Recommender.search(text=...)` compares words
    with the pictures of items of which nothing is written.

    Parameters
    ----------
    image : ImageEncoder
        In the space of `text`, by `projected(..., text=...)`; `fit` makes one.
    text : an encoder of texts

    Raises
    ------
    IncompatibleError
        Their vectors are not of one width.
    """

    def __init__(self, image: ImageEncoder, text: Encoder[str]) -> None:
        if image.dim != text.dim:
            raise IncompatibleError(
                f"WordedImageEncoder: pictures of width {image.dim}, texts of width {text.dim}; expected a picture "
                "encoder in the space of the text encoder, as WordedImageEncoder.fit makes one"
            )
        self.image, self.text = image, text

    @classmethod
    def fit(
        cls,
        image: ImageEncoder,
        text: Encoder[str],
        catalogue: Catalogue,
        *,
        photos: Sequence[tuple[str, PictureContent]] | None = None,
        seed: int = 0,
        progress: bool = False,
    ) -> Self:
        """Learnt from the items that have both a text and a picture.

        Parameters
        ----------
        image : of pretrained weights
        text : any encoder of texts
        catalogue : with `title` or `text`, and `image`
        photos, seed, progress : as `projected` takes them

        Raises
        ------
        DataError
            Fewer than two items have a text and a readable picture, or as `projected`.
        """
        texts = require_kind("WordedImageEncoder.fit", catalogue, Catalogue).texts()
        rows = [row for row, one in enumerate(texts) if one]
        vectors = encode_document(text, [texts[row] or "" for row in rows])
        written = Embeddings(catalogue.items.take(rows), vectors)
        return cls(projected(image, catalogue, photos=photos, text=written, seed=seed, progress=progress), text)

    @property
    def dim(self) -> int:
        """The width of a vector."""
        return self.image.dim

    @property
    def fingerprint(self) -> str:
        """What makes the vectors what they are: both encoders."""
        return f"worded-{sha256(f'{self.image.fingerprint} {self.text.fingerprint}'.encode()).hexdigest()}"

    def __repr__(self) -> str:
        return f"WordedImageEncoder({self.image!r}, {self.text!r})"

    def encode(self, contents: Sequence[PictureContent], *, batch_size: int = 64) -> F32:
        """A vector of unit length for each picture, shape `(n, dim)`.

        Parameters
        ----------
        contents : `n` pictures, as `ImageEncoder.encode` takes them
        batch_size : 1 or more
            Pictures that go through the network at once.

        Raises
        ------
        DataError
            As `ImageEncoder.encode`.
        """
        return self.image.encode(contents, batch_size=batch_size)

    def encode_words(self, texts: Sequence[str]) -> F32:
        """A vector of unit length for each of `texts`, shape `(n, dim)`, to be compared with those of pictures.

        Raises
        ------
        DataError
            As the text encoder raises.
        """
        return encode_query(self.text, texts)

    def words_coverage(self, texts: Sequence[str]) -> F32:
        """How much of each of `texts` the text encoder knows, shape `(n,)`, 0 to 1."""
        return vocabulary_coverage(self.text, texts)

    def prepare(self, content: PictureContent) -> Tensor:
        """The picture `content` as `encode_prepared` takes it; made for reading ahead.

        Raises
        ------
        DataError
            The picture is missing, damaged or too large.
        """
        return self.image.prepare(content)

    def encode_prepared(self, batch: Sequence[Tensor]) -> F32:
        """Vectors of unit length, shape `(b, dim)`, of a `batch` of what `prepare` gave.

        Raises
        ------
        DataError
            The batch holds anything else.
        """
        return self.image.encode_prepared(batch)

    def save_to(self, path: Path) -> None:
        """Write both encoders into the existing, empty folder `path`.

        Raises
        ------
        DataError
            The text encoder's class cannot be stored.
        """
        kind = encoder_kind(self.text)
        (path / "text.kind").write_text(kind, encoding="utf-8")
        for name in ("image", "text"):
            (path / name).mkdir()
        self.image.save_to(path / "image")
        text: Any = self.text  # of a registered class, which is Storable
        text.save_to(path / "text")

    @classmethod
    def load_from(cls, path: Path) -> Self:
        """What `save_to` wrote into the folder `path`.

        Raises
        ------
        IncompatibleError
            The text encoder's class is not known here.
        """
        kind = encoder_class((path / "text.kind").read_text(encoding="utf-8"))
        return cls(ImageEncoder.load_from(path / "image"), kind.load_from(path / "text"))
