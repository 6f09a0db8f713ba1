"""Embedding side by side: this library, the loop people write, one file an item; static vectors beside model2vec.

Usage: MMRECO_DATA=folder python benchmarks/embedding.py [--quick]

Titles of Amazon Beauty through the packaged MiniLM, and posters of MovieLens and JPEGs of 1000 x 1000 pixels (posters
enlarged) through SqueezeNet. Ways take turns, five rounds, after one that does not count; figures are medians of the
rounds, contents a second. Vectors are compared before anything is timed. The last line of standard output is one JSON
object; what is missing on the machine is named in it and skipped.
"""

import argparse
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from PIL import Image

from mmreco import IdMap, ImageEncoder, MissingExtraError, TextEncoder, embed
from mmreco.encoders.image.decoding import boxed
from mmreco.encoders.text.static import StaticEncoder

ROUNDS = 5
BATCH = 32  # of the plain loop
Ways = dict[str, tuple[Callable[[], np.ndarray], int]]


def compared(ways: Ways, reference: str, rounds: int) -> dict[str, Any]:
    """Each way's rate, its share of the reference's, and how close its vectors are to the reference's.

    A way is a function and the number of contents it works on, the first so many.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    vectors: dict[str, np.ndarray] = {}
    for _ in range(rounds + 1):
        for name, (work, _) in ways.items():
            start = perf_counter()
            vectors[name] = work()
            seconds[name].append(perf_counter() - start)
    rates = {name: n / float(np.median(seconds[name][1:])) for name, (_, n) in ways.items()}
    figures: dict[str, Any] = {}
    for name, (_, n) in ways.items():
        figures[name] = {"a_second": round(rates[name], 1), "times": round(rates[name] / rates[reference], 2)}
        right = vectors[reference][:n]
        if vectors[name].shape == right.shape:
            figures[name]["largest_difference"] = float(f"{np.abs(vectors[name] - right).max():.2g}")
            figures[name]["mean_cosine"] = round(float((vectors[name] * right).sum(axis=1).mean()), 5)
    return figures


def unit(vectors: Any) -> np.ndarray:
    """The vectors at unit length, float32."""
    found = np.asarray(vectors, dtype=np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


# ---- texts


def texts(titles: Sequence[str], others: Sequence[str], rounds: int) -> dict[str, Any]:
    """MiniLM by every way there is here, and what each is worth in finding like titles; `others` are distilled from."""
    from sentence_transformers import SentenceTransformer

    def one_file(n: int) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            for start in range(0, n, BATCH):
                built = SentenceTransformer(str(model.folder), device="cpu")  # the extractor, rebuilt a batch
                for row in range(start, min(n, start + BATCH)):
                    np.save(Path(folder) / f"{row}.npy", built.encode(titles[row], show_progress_bar=False))
            return unit([np.load(Path(folder) / f"{row}.npy") for row in range(n)])

    model = TextEncoder("offline", device="cpu")
    plain = SentenceTransformer(str(model.folder), device="cpu")
    start = perf_counter()
    student = StaticEncoder.distil(model, others, dim=min(256, len(others) // 2))
    distilling = perf_counter() - start
    n, few = len(titles), min(len(titles), BATCH)
    ways: Ways = {"sentence_transformers": (lambda: unit(plain.encode(list(titles), show_progress_bar=False)), n)}
    ways["mmreco"] = (lambda: model.encode(titles), n)
    for backend in ("bfloat16", "int8"):
        narrow = TextEncoder("offline", device="cpu", backend=backend)
        ways[f"mmreco_{backend}"] = (lambda narrow=narrow: narrow.encode(titles), n)  # type: ignore[misc]
    ways["mmreco_static"] = (lambda: student.encode(titles), n)
    peer = model2vec(model.folder, student.dim)
    if peer is not None:
        ways["model2vec"] = (lambda: unit(peer.encode(titles)), n)
    ways["one_file_a_title"] = (lambda: one_file(few), few)
    figures = compared(ways, "sentence_transformers", rounds)
    right = model.encode(titles)
    for name, (work, many) in ways.items():
        if many == n:
            figures[name]["same_10_nearest"] = round(shared_nearest(work(), right), 4)
    figures["distilling_seconds"] = round(distilling, 1)
    return {"titles": n, "distilled_from_others": len(others), **figures}


def model2vec(folder: Path, dim: int) -> Any:
    """The same model distilled by model2vec, at its defaults but for the width; None where it is not installed."""
    try:
        from model2vec.distill import distill
    except ImportError:
        return None
    return distill(model_name=str(folder), pca_dims=dim)


def shared_nearest(vectors: np.ndarray, right: np.ndarray, k: int = 10) -> float:
    """The share of each row's `k` nearest by `right` that are among its `k` nearest by `vectors`."""
    found = []
    for some in (vectors, right):
        scores = some @ some.T
        np.fill_diagonal(scores, -np.inf)
        found.append(np.argsort(-scores, axis=1)[:, :k])
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(*found, strict=True)]))


# ---- pictures


def pictures(files: Sequence[Path], weights: Path, rounds: int) -> dict[str, Any]:
    """SqueezeNet by every way there is here. The plain loop boxes its pictures as we do, so that vectors compare."""
    import timm
    from timm.data.config import resolve_model_data_config
    from timm.data.transforms_factory import create_transform

    encoder = ImageEncoder("torchvision/squeezenet1_0", weights=weights, device="cpu")
    narrow = ImageEncoder("torchvision/squeezenet1_0", weights=weights, device="cpu", backend="bfloat16")
    module, made = encoder._network.module, encoder._network.preprocessing
    plain_module = ImageEncoder("torchvision/squeezenet1_0", weights=weights, device="cpu")._network.module
    plain_module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (made.mean, made.std))

    def boxed_whole(path: Path) -> torch.Tensor:
        square = boxed(Image.open(path).convert("RGB"), made.size, resample=made.resample)
        pixels = torch.from_numpy(np.asarray(square).copy()).permute(2, 0, 1).float() / 255
        return (pixels - mean) / std

    def loop(transform: Callable[[Path], torch.Tensor]) -> np.ndarray:
        parts = []
        with torch.no_grad():
            for start in range(0, len(files), BATCH):
                batch = torch.stack([transform(path) for path in files[start : start + BATCH]])
                parts.append(plain_module(batch).numpy())
        return unit(np.concatenate(parts))

    def one_file(n: int) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            for start in range(0, n, BATCH):
                built = ImageEncoder("torchvision/squeezenet1_0", weights=weights, device="cpu")._network.module
                for row in range(start, min(n, start + BATCH)):
                    np.save(Path(folder) / f"{row}.npy", built(boxed_whole(files[row])[None])[0].numpy())
            return unit([np.load(Path(folder) / f"{row}.npy") for row in range(n)])

    def ours(used: ImageEncoder) -> np.ndarray:
        return embed(used, IdMap.of([path.name for path in files]), list(files)).embeddings.vectors

    def decoded() -> np.ndarray:
        for path in files:
            encoder.prepare(path)
        return np.empty((0, 1))

    def forward() -> np.ndarray:
        with torch.inference_mode():
            for _ in range(0, len(files), 8):
                module(ready)
        return np.empty((0, 1))

    known = timm.create_model("resnet18", pretrained=False)  # for the transform that people take with a network of it
    theirs = create_transform(**resolve_model_data_config(known))  # type: ignore[no-untyped-call]
    ready = made.normalised(torch.stack([encoder.prepare(path) for path in files[:8]]))
    n, few = len(files), min(len(files), BATCH)
    ways: Ways = {
        "plain_loop": (lambda: loop(boxed_whole), n),
        "plain_loop_timm_transform": (lambda: loop(lambda path: theirs(Image.open(path).convert("RGB"))), n),
        "mmreco": (lambda: ours(encoder), n),
        "mmreco_bfloat16": (lambda: ours(narrow), n),
        "one_file_a_picture": (lambda: one_file(few), few),
        "decoding_alone_one_thread": (decoded, n),
        "forward_alone": (forward, n),
    }
    return {"pictures": n, **compared(ways, "plain_loop", rounds)}


def enlarged(files: Sequence[Path], folder: Path) -> list[Path]:
    """The pictures as JPEGs of 1000 x 1000 pixels."""
    made = []
    for path in files:
        buffer = io.BytesIO()
        picture = Image.open(path).convert("RGB").resize((1000, 1000), Image.Resampling.BICUBIC)
        picture.save(buffer, "JPEG", quality=90)
        made.append(folder / path.name)
        made[-1].write_bytes(buffer.getvalue())
    return made


def main() -> int:
    """Run every part that the machine has what it needs for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes and three rounds, to see that it runs")
    quick = parser.parse_args().quick
    data = Path(os.environ.get("MMRECO_DATA", ""))
    if not os.environ.get("MMRECO_DATA") or not data.is_dir():
        print(json.dumps({"skipped": "MMRECO_DATA names no folder; see the file's first lines"}))
        return 0
    rounds, rng = (3 if quick else ROUNDS), np.random.default_rng(0)
    figures: dict[str, Any] = {"torch_threads": torch.get_num_threads(), "cores": os.cpu_count(), "rounds": rounds}
    lines = (data / "amazon_beauty/Beauty_titles.tsv").read_text(encoding="utf-8").splitlines()[1:]
    titles = [title for line in lines if (title := line.split("\t")[-1]).strip()]
    titles = [titles[row] for row in rng.permutation(len(titles))]
    few = 200 if quick else 2_000
    others = titles[few:] if not quick else titles[few : 3 * few]
    try:
        figures["texts"] = texts(titles[:few], others, rounds)
    except MissingExtraError as error:
        figures["texts"] = {"skipped": str(error)}
    print(json.dumps(figures["texts"], indent=1), file=sys.stderr)
    every = sorted((data / "ml1m/posters").glob("*.jpg"))
    posters = [every[row] for row in rng.permutation(len(every))[: 48 if quick else 512]]
    weights = data / "weights/squeezenet1_0_imagenet_fp16.safetensors"
    figures["posters"] = pictures(posters, weights, rounds)
    with tempfile.TemporaryDirectory() as folder:
        large = enlarged(posters[: 32 if quick else 256], Path(folder))
        figures["jpegs_1000"] = pictures(large, weights, rounds)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
