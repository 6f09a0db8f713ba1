"""ImageEncoder: equal to the bare network, the source named, weights and preprocessing travelling together."""

import io
import json
import os
import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pyarrow as pa
import pytest
import timm
import torch
import torchvision
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file

from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.embedding.embed import Prepares, embed
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.encoders.image.networks import _HEADS
from mmreco.encoders.image.preprocessing import Preprocessing
from mmreco.errors import DataError, IncompatibleError
from mmreco.protocols import Encoder

NAMES = ["torchvision/squeezenet1_1", "timm/test_resnet"]


def picture(seed: int, size: tuple[int, int] = (48, 72)) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 3, 3), dtype=np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC)


def jpeg(seed: int) -> bytes:
    file = io.BytesIO()
    picture(seed).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture(scope="module", params=NAMES)
def encoder(request: pytest.FixtureRequest) -> ImageEncoder:
    return ImageEncoder(request.param, weights="random", size=64, device="cpu")


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.nn.Module, Path]:
    """A network and its weights in half precision, classifying head and all, as they are passed around."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = torchvision.models.squeezenet1_1().eval()
    path = tmp_path_factory.mktemp("weights") / "half.safetensors"
    save_file({k: v.half() for k, v in module.state_dict().items()}, path)
    return module, path


# ---- what a vector is


def test_it_keeps_both_promises(encoder: ImageEncoder) -> None:
    assert isinstance(encoder, Encoder)
    assert isinstance(encoder, Prepares)


def test_vectors_are_the_last_map_averaged(squeezenet: tuple[torch.nn.Module, Path]) -> None:
    module, path = squeezenet
    encoder = ImageEncoder("torchvision/squeezenet1_1", weights=path, device="cpu")
    square = Image.new("RGB", (224, 224), "white")
    square.paste(picture(0).resize((149, 224), Image.Resampling.BILINEAR), (37, 0))
    shown = torch.from_numpy(np.asarray(square).copy()).permute(2, 0, 1).float() / 255
    shown = (shown - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(
        3, 1, 1
    )
    module.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    with torch.no_grad():
        expected = torch.nn.functional.normalize(module.features(shown[None]).mean(dim=(2, 3)), dim=1)  # type: ignore[operator]
    np.testing.assert_allclose(encoder.encode([picture(0)]), expected.numpy(), atol=1e-5)


def test_timm_vectors_are_its_pooled_features() -> None:
    encoder = ImageEncoder("timm/test_resnet", weights="random", device="cpu")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = timm.create_model("test_resnet", pretrained=False, num_classes=0).eval()
    config = timm.data.resolve_model_data_config(module)
    prepared = encoder.prepare(picture(0))
    assert prepared.shape == config["input_size"]
    mean, std = (torch.tensor(config[name]).view(3, 1, 1) for name in ("mean", "std"))
    with torch.no_grad():
        expected = torch.nn.functional.normalize(module((prepared.float() / 255 - mean)[None] / std), dim=1)
    np.testing.assert_allclose(encoder.encode([picture(0)]), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    "name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5", "regnet_y_400mf"]
)
def test_each_family_gives_what_its_head_would_see(name: str) -> None:
    encoder = ImageEncoder(f"torchvision/{name}", weights="random", size=64, device="cpu")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = torchvision.models.get_model(name, weights=None).eval()
    head = module.classifier if hasattr(module, "classifier") else module.fc
    seen: list[torch.Tensor] = []
    head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        module((encoder.prepare(picture(0)).float() / 255 - _MEAN)[None] / _STD)
    np.testing.assert_allclose(
        encoder.encode([picture(0)]), torch.nn.functional.normalize(seen[0], dim=1).numpy(), atol=1e-5
    )


_MEAN, _STD = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))


def test_a_batch_equals_one_by_one(encoder: ImageEncoder) -> None:
    pictures = [picture(seed) for seed in range(7)]
    together = encoder.encode(pictures)
    assert together.shape == (7, encoder.dim)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(together, np.concatenate([encoder.encode([p]) for p in pictures]), atol=1e-5)
    np.testing.assert_allclose(together, encoder.encode(pictures, batch_size=3), atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_a_path_text_bytes_and_a_picture_are_one(encoder: ImageEncoder, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(0))
    vectors = encoder.encode([path, str(path), jpeg(0), Image.open(io.BytesIO(jpeg(0)))])
    assert (vectors == vectors[0]).all()


def test_nothing_is_cut_off_a_tall_picture(encoder: ImageEncoder) -> None:
    tall = Image.new("RGB", (20, 100), "white")
    hem = tall.copy()
    hem.paste("black", (0, 95, 20, 100))
    plain, with_hem = encoder.encode([tall, hem])
    assert not np.allclose(plain, with_hem, atol=1e-4)


def test_a_broken_picture_is_named_and_embed_goes_on(encoder: ImageEncoder) -> None:
    with pytest.raises(DataError, match=r"picture 2: a picture of 5 bytes"):
        encoder.encode([picture(0), picture(1), b"\xff\xd8abc"])
    done = embed(encoder, IdMap.of(["a", "b", "c"]), [jpeg(0), b"\xff\xd8abc", jpeg(1)], workers=2)
    assert done.embeddings.ids.ids([0, 1]) == ["a", "c"]
    assert done.refused["id"].to_pylist() == ["b"]
    np.testing.assert_allclose(done.embeddings.vectors, encoder.encode([jpeg(0), jpeg(1)]), atol=1e-5)


def test_what_is_no_batch_is_refused(encoder: ImageEncoder) -> None:
    for contents in ("photo.jpg", b"bytes", picture(0)):
        with pytest.raises(DataError, match="expected a list of pictures"):
            encoder.encode(contents)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="batch_size=0"):
        encoder.encode([picture(0)], batch_size=0)
    with pytest.raises(DataError, match=r"prepared picture 1: torch.float32"):
        encoder.encode_prepared([encoder.prepare(picture(0)), torch.zeros(3, 64, 64)])


# ---- sources and weights


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("resnet50", "does not say where it is from; expected 'timm/...' or 'torchvision/...', e.g. 'timm/resnet50'"),
        ("hub/resnet50", "does not say where it is from"),
        ("timm/", "does not say where it is from"),
        ("timm/resnet51", "timm has no network 'resnet51'"),
        ("timm/hf-hub:someone/something", "timm has no network"),
        ("torchvision/resnet51", "torchvision has no network 'resnet51'"),
        ("torchvision/googlenet", "no pooled features known of 'googlenet'"),
        ("mmreco/resnet50", "ImageEncoder.fit trains one"),
    ],
)
def test_names_are_never_guessed(name: str, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        ImageEncoder(name, weights="random")
    assert reason in str(caught.value)


def test_without_a_hub_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    build = timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda *a, pretrained, **k: unreachable() if pretrained else build(*a, **k)
    )
    for name in NAMES:
        with pytest.raises(
            DataError, match=r"did not come from the hub .*weights='file.safetensors'.*ImageEncoder.fit"
        ):
            ImageEncoder(name)


def test_sizes_a_network_cannot_take_are_refused() -> None:
    with pytest.raises(DataError, match="size=8: expected 16 to 1024"):
        ImageEncoder(NAMES[0], weights="random", size=8)
    with pytest.raises(DataError, match="takes no pictures of 72 x 72"):
        ImageEncoder("timm/test_vit", weights="random", size=72)


def test_weights_of_another_network_are_refused(squeezenet: tuple[torch.nn.Module, Path], tmp_path: Path) -> None:
    tensors = load_file(squeezenet[1])
    cases: list[tuple[Callable[[dict[str, torch.Tensor]], Any], str]] = [
        (lambda t: t.pop("features.0.weight"), r"1 weights of torchvision/squeezenet1_1 missing, first 'features.0.w"),
        (lambda t: t.update({"extra.bias": torch.zeros(1)}), r"1 weights .* unexpected, first 'extra.bias'"),
        (lambda t: t.update({"features.0.bias": torch.zeros(3)}), r"first 'features.0.bias' \(3,\), expected \(64,\)"),
    ]
    for change, reason in cases:
        changed = dict(tensors)
        change(changed)
        save_file(changed, tmp_path / "w.safetensors")
        with pytest.raises(IncompatibleError, match=reason):
            ImageEncoder("torchvision/squeezenet1_1", weights=tmp_path / "w.safetensors")


@pytest.mark.parametrize("name", ["mnasnet0_5", "mnasnet1_0", "densenet121", "googlenet", "shufflenet_v2_x0_5"])
def test_weights_saved_by_torchvision_are_read(name: str, tmp_path: Path) -> None:
    if not any(name.startswith(family) for family in _HEADS):
        pytest.skip("a family without pooled features")
    with torch.random.fork_rng():
        torch.manual_seed(5)
        module = torchvision.models.get_model(name, weights=None)
    save_file({key: value.contiguous() for key, value in module.state_dict().items()}, tmp_path / "net.safetensors")
    encoder = ImageEncoder(f"torchvision/{name}", weights=tmp_path / "net.safetensors", size=64, device="cpu")
    own = encoder.copied().module.state_dict()
    shared = [key for key in own if key in module.state_dict()]
    assert len(shared) > 50
    assert all(torch.equal(own[key], module.state_dict()[key]) for key in shared)


@pytest.mark.parametrize("name", ["torchvision/regnet_y_128gf", "torchvision/vit_h_14", "timm/vit_giant_patch14_224"])
def test_a_small_file_under_a_huge_network_s_name_makes_no_network(name: str, tmp_path: Path) -> None:
    encoder = ImageEncoder("torchvision/squeezenet1_0", weights="random", size=64, device="cpu")
    encoder.save_to(tmp_path)
    about = json.loads((tmp_path / "image.json").read_text())
    (tmp_path / "image.json").write_text(json.dumps(about | {"name": name}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for call in (
        lambda: ImageEncoder.load_from(tmp_path),
        lambda: ImageEncoder(name, weights=tmp_path / "weights.safetensors", device="cpu"),
    ):
        with pytest.raises(IncompatibleError, match=r"numbers; .* has .*missing"):
            call()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB; the network has gigabytes


def test_the_classifying_head_does_not_count(squeezenet: tuple[torch.nn.Module, Path], tmp_path: Path) -> None:
    whole = ImageEncoder("torchvision/squeezenet1_1", weights=squeezenet[1], size=64)
    tensors = load_file(squeezenet[1])
    tensors["classifier.1.weight"] = torch.zeros(7, 512, 1, 1)  # seven classes of somebody's own
    del tensors["classifier.1.bias"]
    save_file(tensors, tmp_path / "w.safetensors")
    other = ImageEncoder("torchvision/squeezenet1_1", weights=tmp_path / "w.safetensors", size=64)
    assert other.fingerprint == whole.fingerprint
    module = timm.create_model("test_resnet", pretrained=False)
    save_file(module.state_dict(), tmp_path / "timm.safetensors")
    assert ImageEncoder("timm/test_resnet", weights=tmp_path / "timm.safetensors", size=64).dim == module.num_features


def test_damaged_files_of_weights_are_refused(squeezenet: tuple[torch.nn.Module, Path], tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(DataError, match=r"w\.safetensors'.*expected a safetensors file"):
        ImageEncoder(NAMES[0], weights=path)
    path.write_bytes(squeezenet[1].read_bytes()[:-100])
    with pytest.raises(DataError, match="expected a safetensors file"):
        ImageEncoder(NAMES[0], weights=path)
    tensors = load_file(squeezenet[1])
    tensors["features.0.bias"][3] = float("inf")
    save_file(tensors, path)
    with pytest.raises(DataError, match=r"NaN or infinity in 1 of \d+ tensors, first features.0.bias"):
        ImageEncoder(NAMES[0], weights=path)


def test_fingerprints_tell_encoders_apart(squeezenet: tuple[torch.nn.Module, Path]) -> None:
    name = "torchvision/squeezenet1_1"
    made = [
        ImageEncoder(name, weights="random", size=64),
        ImageEncoder(name, weights="random", size=65),
        ImageEncoder(name, weights=squeezenet[1], size=64),
        ImageEncoder("torchvision/squeezenet1_0", weights="random", size=64),
    ]
    assert len({encoder.fingerprint for encoder in made}) == 4
    assert ImageEncoder(name, weights="random", size=64).fingerprint == made[0].fingerprint
    assert all(encoder.fingerprint.startswith("image-") for encoder in made)


# ---- kept and read back


def test_weights_and_preprocessing_travel(
    encoder: ImageEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder.save(tmp_path / "kept")
    monkeypatch.setattr("socket.socket", None)  # neither a hub nor the file is asked again
    again = ImageEncoder.load(tmp_path / "kept", device="cpu")
    assert (again.fingerprint, again.dim, again.name) == (encoder.fingerprint, encoder.dim, encoder.name)
    assert (again.encode([picture(0)]) == encoder.encode([picture(0)])).all()


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        (lambda about: about["preprocessing"].update(size=96), IncompatibleError, "fingerprint"),
        (lambda about: about["preprocessing"].update(size=10**6), DataError, "size=1000000"),
        (lambda about: about["preprocessing"].update(mean=[0, 0]), DataError, "expected three numbers"),
        (lambda about: about["preprocessing"].update(mean=5), DataError, "expected three numbers"),
        (lambda about: about.update(name="mmreco/picturecnn-9999999-9999"), DataError, "dim 9999999, width 9999"),
        (lambda about: about["preprocessing"].update(std=["a", 1, 1]), DataError, "expected three numbers"),
        (lambda about: about.update(name="timm/hf-hub:someone/else"), DataError, "timm has no network"),
        (lambda about: about.update(name="torchvision/squeezenet1_0"), IncompatibleError, "missing, first"),
        (lambda about: about.pop("fingerprint"), IncompatibleError, "no ImageEncoder of this version"),
        (lambda about: about.update(preprocessing=[]), IncompatibleError, "no ImageEncoder of this version"),
    ],
)
def test_a_changed_description_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], error: type[Exception], reason: str
) -> None:
    ImageEncoder(NAMES[0], weights="random", size=64, device="cpu").save_to(tmp_path)
    about = json.loads((tmp_path / "image.json").read_text())
    change(about)
    (tmp_path / "image.json").write_text(json.dumps(about))
    with pytest.raises(error, match=reason):
        ImageEncoder.load_from(tmp_path)


# ---- trained on the shop's own

N = 160  # products
SHAPES = ("ellipse", "rectangle", "triangle", "cross")
COLOURS = {"red": (210, 40, 40), "blue": (40, 70, 200), "green": (40, 150, 80), "yellow": (240, 200, 50)}


def product(kind: int, colour: int, rng: np.random.Generator) -> Image.Image:
    """A shape in a colour, plain or striped, somewhat moved, scaled, lit and turned, on a light ground."""
    ground = tuple(int(v) for v in rng.integers(215, 250, 3))
    image = Image.new("RGB", (96, 96), ground)
    pen = ImageDraw.Draw(image)
    x, y = rng.uniform(42, 54, 2)
    r = rng.uniform(26, 36)
    box = (x - r, y - 0.7 * r, x + r, y + 0.7 * r)
    paint = tuple(int(np.clip(v + rng.normal(0, 12), 0, 255)) for v in list(COLOURS.values())[colour])
    if SHAPES[kind] == "ellipse":
        pen.ellipse(box, fill=paint)
    elif SHAPES[kind] == "rectangle":
        pen.rectangle(box, fill=paint)
    elif SHAPES[kind] == "triangle":
        pen.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill=paint)
    else:
        pen.rectangle((x - r, y - r / 3, x + r, y + r / 3), fill=paint)
        pen.rectangle((x - r / 3, y - r, x + r / 3, y + r), fill=paint)
    if rng.random() < 0.4:
        for line in range(0, 96, 12):
            pen.line((0, line, 96, line), fill=ground, width=2)
    return image.rotate(rng.uniform(-12, 12), Image.Resampling.BILINEAR, fillcolor=ground)


class Shop:
    def __init__(self, folder: Path, n: int) -> None:
        rng = np.random.default_rng(0)
        self.kinds, self.colours = rng.integers(0, 4, n), rng.integers(0, 4, n)
        for row in range(n):
            product(int(self.kinds[row]), int(self.colours[row]), rng).save(folder / f"{row}.png")
        paths = [str(folder / f"{row}.png") for row in range(n)]
        (folder / "broken.png").write_bytes(b"\x89PNG")
        ids = [*(f"p{row}" for row in range(n)), "broken", "bare"]
        table = pa.table({"item_id": ids, "image": [*paths, str(folder / "broken.png"), None]})
        self.catalogue = Catalogue.from_frame(table)
        self.paths = paths

    def precision(self, encoder: ImageEncoder, k: int = 5) -> tuple[float, float, float]:
        """The share of the `k` nearest of the same shape and colour, of the same shape, of the same colour."""
        vectors = encoder.encode(self.paths)
        scores = vectors @ vectors.T
        np.fill_diagonal(scores, -np.inf)
        near = np.argsort(-scores, axis=1)[:, :k]  # (n, k)
        shape, colour = (a[near] == a[:, None] for a in (self.kinds, self.colours))
        return float((shape & colour).mean()), float(shape.mean()), float(colour.mean())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("shop"), N)


@pytest.fixture(scope="module")
def untrained(shop: Shop) -> ImageEncoder:
    return ImageEncoder("mmreco/picturecnn-32-16", weights="random", size=32, device="cpu")


@pytest.fixture(scope="module")
def trained(shop: Shop) -> ImageEncoder:
    return ImageEncoder.fit(shop.catalogue, dim=32, size=32, epochs=20, device="cpu")


def test_training_beats_chance_weights(shop: Shop, trained: ImageEncoder, untrained: ImageEncoder) -> None:
    before, after = shop.precision(untrained), shop.precision(trained)
    assert after[0] > before[0] + 0.15, (before, after)


def test_text_says_what_of_a_picture_matters(shop: Shop, trained: ImageEncoder) -> None:
    said = np.zeros((N, 8), dtype=np.float32)
    said[np.arange(N), shop.kinds] = said[np.arange(N), 4 + shop.colours] = 1
    text = Embeddings(IdMap.of([f"p{row}" for row in range(N)]), said)
    told = ImageEncoder.fit(shop.catalogue, text=text, dim=32, size=32, epochs=10, device="cpu")
    without, with_text = shop.precision(trained), shop.precision(told)
    assert with_text[0] > max(0.85, without[0]), (without, with_text)


def test_the_same_seed_gives_the_same_weights(shop: Shop) -> None:
    before = torch.random.get_rng_state()
    made = [ImageEncoder.fit(shop.catalogue.take(range(40)), dim=8, size=16, epochs=2, seed=s) for s in (3, 3, 4)]
    assert made[0].fingerprint == made[1].fingerprint != made[2].fingerprint
    with ThreadPoolExecutor(2) as pool:
        options = {"dim": 8, "size": 16, "epochs": 2}
        together = list(pool.map(lambda s: ImageEncoder.fit(shop.catalogue.take(range(40)), seed=s, **options), (3, 4)))
    assert [one.fingerprint for one in together] == [made[1].fingerprint, made[2].fingerprint]
    assert torch.equal(torch.random.get_rng_state(), before)  # nobody else's chance is touched


def test_a_trained_encoder_is_kept_and_read_back(trained: ImageEncoder, shop: Shop, tmp_path: Path) -> None:
    trained.save(tmp_path / "kept")
    again = ImageEncoder.load(tmp_path / "kept", device="cpu")
    assert again.fingerprint == trained.fingerprint
    assert (again.encode(shop.paths[:5]) == trained.encode(shop.paths[:5])).all()


def test_broken_pictures_are_left_out_and_said_so(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    ImageEncoder.fit(shop.catalogue.take([0, 1, 2, N, N + 1]), dim=4, size=16, epochs=1)
    assert "1 of 4 pictures left out of training, first" in caplog.text
    assert "broken.png" in caplog.text


def test_what_cannot_be_trained_on_is_refused(shop: Shop) -> None:
    for rows, reason in (([N, N + 1], "0 usable pictures.*1 could not be read"), ([0, N + 1], "1 usable pictures")):
        with pytest.raises(DataError, match=reason):
            ImageEncoder.fit(shop.catalogue.take(rows), epochs=1)
    for options, reason in (
        ({"dim": 7}, "dim=7"),
        ({"size": 4}, "size=4"),
        ({"epochs": 0}, "epochs=0"),
        ({"seed": -1}, "seed=-1"),
        ({"device": "tpu"}, "device='tpu'"),
        ({"text": Embeddings(IdMap.of(["stranger"]), np.ones((1, 3), dtype=np.float32))}, "none an item with a"),
    ):
        with pytest.raises(DataError, match=reason):
            ImageEncoder.fit(shop.catalogue, **options)  # type: ignore[arg-type]


def test_an_interruption_passes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mmreco.encoders.image.training.view", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ImageEncoder.fit(shop.catalogue.take(range(10)), dim=4, size=16, epochs=1, progress=False)


def test_preprocessing_is_checked() -> None:
    with pytest.raises(DataError, match=r"std \(0.0, 1.0, 1.0\)"):
        Preprocessing(64, std=(0.0, 1.0, 1.0))
    with pytest.raises(DataError, match="resample 'nearest'"):
        Preprocessing(64, resample="nearest")


# ---- real pictures


@pytest.mark.data
@pytest.mark.skipif("MMRECO_DATA" not in os.environ, reason="MMRECO_DATA is not set")
def test_real_weights_find_real_products() -> None:
    """Leave one out on 500 of the photos of benchmarks/pictures_fashion.py."""
    import csv

    data = Path(os.environ["MMRECO_DATA"])
    with (data / "fashion2k" / "styles.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:500]
    kinds = np.array([row["articleType"] for row in rows])
    weights = data / "weights" / "squeezenet1_0_imagenet_fp16.safetensors"
    encoder = ImageEncoder("torchvision/squeezenet1_0", weights=weights, device="cpu")
    vectors = encoder.encode([data / "fashion2k" / "images" / f"{row['id']}.jpg" for row in rows])
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    assert (kinds[scores.argmax(axis=1)] == kinds).mean() > 0.55
