"""ImageEncoder: pictures to vectors, by a pretrained CNN or by one trained on the shop's own pictures.

He et al., "Deep residual learning for image recognition", 2016, and whatever else timm and torchvision hold
(`image_sources`); `fit` follows the papers named in `image_training`. A vector is the network's pooled features,
scaled to unit length.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from mmreco.arguments import require_whole
from mmreco.arrays import F32
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.encoders.image.decoding import PictureContent
from mmreco.encoders.image.networks import Network, fill, network, read_weights, require_room
from mmreco.encoders.image.pictures import Pictures, read_pictures
from mmreco.encoders.image.preprocessing import Preprocessing
from mmreco.encoders.image.stored import BACKENDS, fingerprint_of, load_network, save_network
from mmreco.encoders.image.training import learn
from mmreco.errors import DataError, IncompatibleError
from mmreco.nn.device import chosen
from mmreco.storage.artefact import publish, read_artefact

__all__ = ["ImageEncoder"]

_AT_ONCE = 8  # pictures through the network on a CPU: what is between two layers then fits its caches


class ImageEncoder:
    """Pictures to vectors: what looks alike lies close.

    Parameters
    ----------
    model : "timm/..." or "torchvision/..."
        The source is named, never guessed: both hold a `resnet50`, with other weights.
    weights : a safetensors file, "random" or None, optional
        None fetches the weights from the source's hub. A file in half precision is read as float32. "random"
        (always the same) is the baseline that trained weights have to beat.
    device : "auto", "cpu" or "cuda", optional
        "auto" is the GPU when there is one; there the network runs in bfloat16.
    size : 16 to 1024 pixels, optional
        Of the square the picture is put into; what the weights were trained with when omitted.
    backend : "torch" or "bfloat16", optional
        What the network computes in on the CPU. bfloat16 is for processors that multiply it (AMX, AVX512-BF16), and
        made SqueezeNet and ResNet-50 2.6 and 2.8 times as fast on one.

    Raises
    ------
    DataError
        The source is not named or has no such network, the hub does not answer, the file is missing or damaged,
        or the network does not take pictures of `size`.
    IncompatibleError
        The file lacks weights of this network, or holds others; the classifying head's do not count.

    Notes
    -----
    Pictures are opened as `mmreco.encoders.image.decoding.open_picture` does, and put whole into a white square.
    The fingerprint does not depend on the device; vectors of a GPU differ from the CPU's by about 1e-2, which
    is far less than two products do.

    Examples
    --------
    >>> from PIL import Image
    >>> encoder = ImageEncoder("torchvision/squeezenet1_0", weights="random", size=64, device="cpu")
    >>> encoder.encode([Image.new("RGB", (60, 80), "red")]).shape
    (1, 512)
    """

    def __init__(
        self,
        model: str,
        *,
        weights: str | Path | None = None,
        device: str = "auto",
        size: int | None = None,
        backend: str = "torch",
    ) -> None:
        where = chosen(device)
        if size is not None:
            size = require_whole("ImageEncoder: size", size)
        if backend not in BACKENDS:
            raise DataError(f"ImageEncoder: backend={backend!r}; expected one of {', '.join(BACKENDS)}")
        if weights is not None and weights != "random":
            require_room(model, weights)
        built = network(model, size=size, pretrained=weights is None)
        if weights is not None and weights != "random":
            fill(built, read_weights(weights), f"weights {str(weights)!r}")
        self._take(built, where, backend)

    @classmethod
    def fit(
        cls,
        catalogue: Catalogue,
        *,
        text: Embeddings | None = None,
        dim: int = 128,
        size: int = 64,
        epochs: int | None = None,
        seed: int = 0,
        device: str = "auto",
        progress: bool = False,
    ) -> Self:
        """A small CNN trained on the shop's own pictures, no labels needed.

        It learns that crops, turns and other light do not change a product, and that colour does. With `text`
        it also learns what of a picture matters to those who describe the products.

        Parameters
        ----------
        catalogue : with pictures in `image`
            Those that cannot be read are left out, and counted in a warning of the log.
        text : optional
            Vectors of what is written about the items, by any encoder; items without one count as well.
        dim : 2 to 4096, even
            Width of a vector.
        size : 16 to 1024 pixels
            Of the square the network sees.
        epochs : 1 or more, optional
            Passes over the pictures; when omitted as many as look at some 13,000, and two at least.
        seed : 0 or more
            The same seed gives the same weights, on one kind of CPU and number of threads. That number is chosen by
            measurement unless `OMP_NUM_THREADS` is set.
        device : "auto", "cpu" or "cuda"
        progress : optional
            Whether to show a bar.

        Raises
        ------
        DataError
            Fewer than two pictures can be read, `text` is of none of them, or an option is out of range.

        Notes
        -----
        All pictures are held in memory, 19 kB each at the default size; of more than fit in 2 GiB a random part is
        trained on. An interruption (Ctrl-C) ends it with KeyboardInterrupt and leaves nothing behind.
        """
        for name, value, least in (("epochs", epochs, 1), ("seed", seed, 0)):
            if value is not None and value < least:
                raise DataError(f"{name}={value}: expected {least} or more")
        _require_width(dim)
        pictures = read_pictures(catalogue, Preprocessing(size), seed=seed, shown=progress)
        return cls.fit_pictures(
            pictures, catalogue.items, text=text, dim=dim, epochs=epochs, seed=seed, device=device, progress=progress
        )

    @classmethod
    def fit_pictures(
        cls,
        pictures: Pictures,
        items: IdMap,
        *,
        text: Embeddings | None = None,
        dim: int = 128,
        epochs: int | None = None,
        seed: int = 0,
        device: str = "auto",
        progress: bool = False,
    ) -> Self:
        """As `fit`, on pictures that are in memory already.

        Parameters
        ----------
        pictures : by `read_pictures`
        items : of the catalogue they are of
        text, dim, epochs, seed, device, progress : as `fit` takes them

        Raises
        ------
        DataError
            There are fewer than two pictures, `text` is of none of them, or an option is out of range.
        """
        where = chosen(device)
        _require_width(dim)
        if len(pictures.rows) < 2:
            reasons = list(pictures.refused.values())
            reason = f"; {len(reasons)} could not be read, first {reasons[0]}" if reasons else ""
            raise DataError(f"catalogue: {len(pictures.rows)} usable pictures; expected 2 or more to train on{reason}")
        described = None
        if text is not None:
            vectors, known = text.aligned(items)
            if not known[pictures.rows].any():
                raise DataError(
                    f"text: vectors of {len(text)} ids, none an item with a picture; expected ids of the catalogue"
                )
            described = torch.from_numpy(vectors[pictures.rows]), torch.from_numpy(known[pictures.rows])
        size = pictures.whole.shape[-1]
        name, module = learn(
            pictures.larger, described, dim=dim, size=size, epochs=epochs, seed=seed, device=where, shown=progress
        )
        encoder = cls.__new__(cls)
        encoder._take(Network(name, module, (), Preprocessing(size)), where)
        return encoder

    @property
    def name(self) -> str:
        """The network's name with its source, e.g. "timm/resnet50"."""
        return self._network.name

    @property
    def dim(self) -> int:
        """The width of a vector."""
        return self._dim

    @property
    def fingerprint(self) -> str:
        """What makes the vectors what they are: a SHA-256 over network, weights and preprocessing."""
        return self._fingerprint

    @property
    def preprocessing(self) -> Preprocessing:
        """How a picture becomes what the network sees."""
        return self._network.preprocessing

    @property
    def device(self) -> str:
        """Where the network runs, "cpu" or "cuda"."""
        return self._device.type

    def __repr__(self) -> str:
        return f"ImageEncoder({self.name!r}, dim={self.dim}, device={self.device!r})"

    def encode(self, contents: Sequence[PictureContent], *, batch_size: int = 64) -> F32:
        """A vector of unit length for each picture, shape `(n, dim)`.

        Parameters
        ----------
        contents : `n` pictures
            Paths (text is a path), the bytes of files, or Pillow images.
        batch_size : 1 or more, optional
            Pictures that go through the network together; does not change the vectors beyond rounding.

        Raises
        ------
        DataError
            A picture is missing, damaged or too large (it is named), or `batch_size` is below 1.
        """
        if batch_size < 1:
            raise DataError(f"batch_size={batch_size}: expected 1 or more")
        if isinstance(contents, (str, bytes)) or not isinstance(contents, Sequence):
            raise DataError(f"contents: a {type(contents).__name__}; expected a list of pictures, e.g. ['photo.jpg']")
        parts = [np.empty((0, self._dim), dtype=np.float32)]
        for start in range(0, len(contents), batch_size):
            batch = contents[start : start + batch_size]
            parts.append(self.encode_prepared([self._prepared(c, start + at) for at, c in enumerate(batch)]))
        return np.concatenate(parts)

    def prepare(self, content: PictureContent) -> Tensor:
        """One picture as `encode_prepared` takes it, `(3, size, size)` of uint8; made for reading ahead.

        Parameters
        ----------
        content : a path, bytes or a picture, as `encode` takes it

        Raises
        ------
        DataError
            The picture is missing, damaged or too large.
        """
        return self._network.preprocessing.prepare(content)

    def encode_prepared(self, batch: Sequence[Tensor]) -> F32:
        """Vectors of unit length, shape `(b, dim)`, of a `batch` of what `prepare` gave.

        Raises
        ------
        DataError
            The batch holds anything else, or the network gives NaN or infinity.
        """
        if not len(batch):
            return np.empty((0, self._dim), dtype=np.float32)
        side = self._network.preprocessing.size
        for at, picture in enumerate(batch):
            if picture.shape != (3, side, side) or picture.dtype != torch.uint8:
                raise DataError(
                    f"prepared picture {at}: {picture.dtype} {tuple(picture.shape)}; expected uint8 (3, {side}, {side})"
                )
        vectors = self._forward(torch.stack(list(batch)))  # (b, dim)
        finite = vectors.isfinite().all(dim=1)
        if not finite.all():
            first = int((~finite).int().argmax())
            raise DataError(f"{self.name}: NaN or infinity for {int((~finite).sum())} pictures, first {first}")
        lengths = vectors.norm(dim=1, keepdim=True)
        # a network that sees nothing at all still owes a direction
        vectors = torch.where(lengths > 0, vectors / lengths.clamp(min=1e-30), self._dim**-0.5)
        return vectors.numpy()

    def copied(self) -> Network:
        """A copy of the network with its preprocessing, to be changed at will; the encoder stays as it is."""
        return replace(self._network, module=deepcopy(self._network.module))

    def renewed(self, changed: Network) -> "ImageEncoder":
        """An encoder of the network `changed`, under the same name, on the same device and with the same backend.

        Raises
        ------
        DataError
            It does not take pictures of its size.
        """
        encoder = ImageEncoder.__new__(ImageEncoder)
        encoder._take(changed, self._device, self._backend)
        return encoder

    def save(self, folder: str | Path) -> None:
        """Write an artefact with weights and preprocessing, so that neither a hub nor the file is needed again.

        Raises
        ------
        DataError
            `folder` holds something else.
        """
        with publish(folder, type(self).__name__, {"name": self.name, "dim": self.dim}) as path:
            self.save_to(path)

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> Self:
        """The encoder that `save` wrote to `folder`, on `device`: "auto", "cpu" or one of torch's names.

        Raises
        ------
        DataError
            The artefact is missing or damaged.
        IncompatibleError
            It holds something else, or a network that the installed timm or torchvision builds in another way.
        """
        return read_artefact(folder, cls.__name__, lambda artefact: cls.load_from(artefact.path, device=device))

    def save_to(self, path: Path) -> None:
        """Write the files of `save` into the existing folder `path`, as part of another artefact."""
        save_network(path, self._network, self._backend, self._fingerprint)

    @classmethod
    def load_from(cls, path: Path, *, device: str = "auto") -> Self:
        """What `save_to` wrote into the folder `path`, on `device`."""
        where = chosen(device)
        whole, backend, fingerprint = load_network(path)
        encoder = cls.__new__(cls)
        encoder._take(whole, where, backend)
        if encoder.fingerprint != fingerprint:
            raise IncompatibleError(
                f"{path}: its {encoder.name} has the fingerprint {encoder.fingerprint[:18]}..., not the "
                f"{fingerprint[:18]}... it was saved with; encode the pictures again"
            )
        return encoder

    def _take(self, network: Network, device: torch.device, backend: str = "torch") -> None:
        network.module.eval().requires_grad_(False)
        self._network, self._device, self._backend = network, device, backend
        self._fingerprint = fingerprint_of(network, backend)
        network.module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        side = network.preprocessing.size
        try:
            probe = self._forward(torch.zeros(1, 3, side, side, dtype=torch.uint8))
        except (RuntimeError, AssertionError, ValueError) as error:
            raise DataError(
                f"{network.name}: takes no pictures of {side} x {side} pixels ({str(error)[:160]})"
            ) from error
        if probe.ndim != 2:
            raise DataError(f"{network.name}: gives {tuple(probe.shape[1:])} for a picture; expected pooled features")
        self._dim = int(probe.shape[1])

    def _forward(self, pictures: Tensor) -> Tensor:
        """`(b, 3, size, size)` of uint8 -> `(b, dim)` float32 on the CPU."""
        kind = self._device.type
        narrow = kind == "cuda" or self._backend == "bfloat16"
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=narrow):
            if kind == "cuda":
                pictures = pictures.pin_memory().to(self._device, non_blocking=True)
            parts = torch.split(pictures, len(pictures) if kind == "cuda" else _AT_ONCE)
            vectors = [self._network.module(self._network.preprocessing.normalised(part)).float() for part in parts]
            return torch.cat(vectors).cpu()

    def _prepared(self, content: PictureContent, at: int) -> Tensor:
        try:
            return self.prepare(content)
        except DataError as error:
            raise DataError(f"picture {at}: {error}") from error


def _require_width(dim: int) -> None:
    if not 2 <= dim <= 4_096 or dim % 2:
        raise DataError(f"dim={dim}: expected 2 to 4096, and even")
