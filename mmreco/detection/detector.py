"""Detector: the boxes of products in photos, by a model of torchvision's or one taught with the shop's own pictures."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from mmreco.arguments import listed
from mmreco.arrays import F32
from mmreco.data.boxes import Boxes, overlap
from mmreco.data.catalogue import Catalogue
from mmreco.detection.foreground import cut_out
from mmreco.detection.scenes import Scenes
from mmreco.detection.torchvision_models import detection_model, goods, load_weights
from mmreco.detection.training import learn, shown
from mmreco.encoders.image.decoding import Picture, PictureContent, boxed, open_picture
from mmreco.errors import DataError, IncompatibleError
from mmreco.nn.box_network import BoxNetwork
from mmreco.nn.device import chosen
from mmreco.progress import progress as shown_progress
from mmreco.storage.artefact import Artefact, publish, read_artefact

__all__ = ["Detector"]

OWN: Final = "mmreco/boxnetwork"
"""The name of networks that `Detector.fit` taught; followed by `-width-side`."""

_WIDTH: Final = 16  # channels after the first convolution
_SIDE: Final = 128  # pixels of the square the network sees
_SURE: Final = 0.2  # boxes less sure are left out
_SAME: Final = 0.5  # overlap from which two boxes are of one thing
_MOST: Final = 20  # boxes a picture
_LARGEST: Final = 1_333  # pixels of the longer side that torchvision's models are shown


class Detector:
    """Where in a photo the products are.

    Parameters
    ----------
    model : a detection model of torchvision's, e.g. "fasterrcnn_mobilenet_v3_large_320_fpn"
        What it takes for people is left out; what else a thing is does not matter.
    weights : a safetensors file or "random", optional
        None fetches the weights from torchvision's hub.
    device : "auto", "cpu" or "cuda", optional

    Raises
    ------
    DataError
        torchvision has no such model, the hub does not answer, or the file is missing or damaged.
    IncompatibleError
        The file holds weights of another model.

    Examples
    --------
    >>> from PIL import Image
    >>> detector = Detector("ssdlite320_mobilenet_v3_large", weights="random", device="cpu")
    >>> len(detector.detect([Image.new("RGB", (60, 80), "red")]))
    1
    """

    def __init__(self, model: str, *, weights: str | Path | None = None, device: str = "auto") -> None:
        where = chosen(device)
        module = detection_model(model, pretrained=weights is None)
        if weights is not None and weights != "random":
            load_weights(module, weights, model)
        self._take(model, module, where)

    @classmethod
    def fit(
        cls,
        pictures: Catalogue | Sequence[PictureContent],
        *,
        grounds: Sequence[PictureContent] = (),
        n_scenes: int = 10_000,
        seed: int = 0,
        device: str = "auto",
        progress: bool = False,
    ) -> Self:
        """A small network taught on photos made up of the shop's own pictures; no weights, no boxes drawn by hand.

        Products are cut from their plain ground, turned, lit and pasted on other grounds, among things that are none.

        Parameters
        ----------
        pictures : a catalogue with pictures in `image`, or pictures
            Studio pictures, one product each. Those that cannot be read are left out; of those without a plain ground
            the whole is pasted.
        grounds : pictures of where photos are taken, optional
            Rooms, shelves, streets, without products. Others are drawn as well.
        n_scenes : 16 or more, optional
            Photos to learn from.
        seed : 0 or more
            The same seed gives the same weights, on one kind of processor and number of threads.
        device : "auto", "cpu" or "cuda"
        progress : whether to show bars, optional

        Raises
        ------
        DataError
            No picture can be read, or an option is out of range.
        FloatingPointError
            The loss is not finite.
        """
        if n_scenes < 16 or seed < 0:
            raise DataError(f"Detector.fit: n_scenes={n_scenes}, seed={seed}; expected 16 or more, and 0 or more")
        where = chosen(device)
        given = pictures.images() if isinstance(pictures, Catalogue) else listed("Detector.fit: pictures", pictures)
        contents = [one for one in given if one is not None]
        products = [cut_out(one) for one in _opened(contents, 256, progress)]
        if not products:
            raise DataError(f"Detector.fit: none of {len(contents)} pictures can be read; expected one or more")
        scenes = Scenes(products, list(_opened(grounds, 4 * _SIDE, progress)), _SIDE)
        network = learn(scenes, width=_WIDTH, n_scenes=n_scenes, seed=seed, device=where, bar=progress)
        detector = cls.__new__(cls)
        detector._take(f"{OWN}-{_WIDTH}-{_SIDE}", network, where)
        return detector

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    @property
    def fingerprint(self) -> str:
        """What makes the boxes what they are: a SHA-256 over name and weights."""
        return self._fingerprint

    @property
    def device(self) -> str:
        """Where the network runs, "cpu" or "cuda"."""
        return self._device.type

    def __repr__(self) -> str:
        return f"Detector({self.name!r}, device={self.device!r})"

    def detect(self, pictures: Sequence[PictureContent]) -> list[Boxes]:
        """The boxes of each picture, best first, in pixels of the upright picture; none where nothing was found.

        Parameters
        ----------
        pictures : paths (text is a path), the bytes of files, or Pillow images

        Raises
        ------
        DataError
            A picture is missing, damaged or too large; it is named.
        """
        if isinstance(pictures, (str, bytes)) or not isinstance(pictures, Sequence):
            raise DataError(f"pictures: a {type(pictures).__name__}; expected a list of pictures, e.g. ['photo.jpg']")
        find = self._find_own if self._own else self._find_known
        return [find(open_picture(picture)) for picture in pictures]

    def save(self, folder: str | Path) -> None:
        """Write an artefact with the weights, so that neither a hub nor the file is needed again.

        Raises
        ------
        DataError
            `folder` holds something else.
        """
        with publish(folder, type(self).__name__, {"name": self.name}) as path:
            about = {"name": self.name, "fingerprint": self.fingerprint}
            (path / "detector.json").write_text(json.dumps(about), encoding="utf-8")
            save_file(_weights(self._module), path / "weights.safetensors")

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> "Detector":
        """The detector that `save` wrote to `folder`, on `device`: "auto", "cpu" or one of torch's names.

        Raises
        ------
        DataError
            The artefact is missing or damaged.
        IncompatibleError
            It holds something else, or a model that the installed torchvision builds in another way.
        """
        where = chosen(device)

        def read(artefact: Artefact) -> "Detector":
            path = artefact.path
            try:
                about: dict[str, Any] = json.loads((path / "detector.json").read_text(encoding="utf-8"))
                name, fingerprint = str(about["name"]), str(about["fingerprint"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise IncompatibleError(f"{path}: no Detector of this version; make it anew and save it") from error
            module = _own(name) if name.startswith(OWN) else detection_model(name, pretrained=False)
            load_weights(module, path / "weights.safetensors", name)
            detector = Detector.__new__(cls)
            detector._take(name, module, where)
            if detector.fingerprint != fingerprint:
                raise IncompatibleError(
                    f"{path}: its {name} has another fingerprint than it was saved with; fit it anew"
                )
            return detector

        return read_artefact(folder, cls.__name__, read)

    def _take(self, name: str, module: nn.Module, device: torch.device) -> None:
        module.eval().requires_grad_(False)
        module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._name, self._module, self._device = name, module, device
        self._own = name.startswith(OWN)
        self._goods = frozenset() if self._own else goods(name)
        digest = hashlib.sha256(name.encode())
        for key, value in _weights(module).items():
            digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
            digest.update(value.numpy().tobytes())
        self._fingerprint = f"detector-{digest.hexdigest()}"

    def _find_own(self, picture: Picture) -> Boxes:
        side = int(self._name.rpartition("-")[2])
        square = boxed(picture, side)
        with torch.inference_mode():
            logits, boxes = self._module(shown(np.asarray(square))[None].to(self._device))
        sure = torch.sigmoid(logits[0]).flatten().cpu().numpy()  # (g * g,)
        scale = max(picture.size) / side
        inset = (np.array([side, side]) - np.round(np.array(picture.size) / scale)) // 2  # of the picture in the square
        corners = (boxes[0].flatten(1).T.cpu().numpy() - np.tile(inset, 2)) * scale
        return _distinct(corners, sure, picture)

    def _find_known(self, picture: Picture) -> Boxes:
        scale = min(1.0, _LARGEST / max(picture.size))
        small = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255
        with torch.inference_mode():
            found = self._module([pixels.to(self._device)])[0]
        kept = np.isin(found["labels"].cpu().numpy(), sorted(self._goods))
        return _distinct(found["boxes"].cpu().numpy()[kept] / scale, found["scores"].cpu().numpy()[kept], picture)


def _distinct(corners: F32, sure: F32, picture: Picture) -> Boxes:
    """The boxes that are sure enough, one a thing, best first, cut to the picture."""
    corners = np.clip(corners, 0, np.tile(np.array(picture.size), 2)).astype(np.float32)
    there = (sure >= _SURE) & (corners[:, 2:] - corners[:, :2] >= 1).all(axis=1)
    order = np.flatnonzero(there)[np.argsort(-sure[there], kind="stable")][: 50 * _MOST]
    kept: list[int] = []
    for row in order.tolist():
        if len(kept) == _MOST:
            break
        if not kept or overlap(corners[[row]], corners[kept]).max() < _SAME:
            kept.append(row)
    return Boxes(corners[kept], sure[kept].astype(np.float32))


def _opened(contents: Sequence[PictureContent], size: int, bar: bool) -> list[Image.Image]:
    """The pictures that can be read, in RGB and no larger than is needed."""
    found: list[Image.Image] = []
    for content in shown_progress(contents, total=len(contents), description="reading pictures", shown=bar):
        try:
            picture = open_picture(content, size=size)
        except DataError:
            continue
        picture.thumbnail((size, size))
        found.append(picture)
    return found


def _own(name: str) -> nn.Module:
    try:
        width, side = (int(number) for number in name.removeprefix(OWN + "-").split("-"))
    except ValueError as error:
        raise DataError(f"Detector: no network {name!r}; Detector.fit teaches one, load reads it back") from error
    if not (1 <= width <= 256 and side in range(32, 1025, 32)):
        raise DataError(f"Detector: {name!r}: width {width}, side {side}; expected 1 to 256, and 32 to 1024 by 32")
    return BoxNetwork(width=width)


def _weights(module: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().cpu().contiguous().clone() for key, value in sorted(module.state_dict().items())}
