"""What a CUDA device gives: search against brute force, encoders, and a training step of the space.

Usage: python benchmarks/gpu.py [--quick]

Every part first proves its answers equal to a reference. The last line of standard output is one JSON object;
without a CUDA device it says so, and the exit code is 0.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import numpy as np
import torch

from mmreco import (
    Embeddings,
    IdMap,
    ImageEncoder,
    Interactions,
    LexicalEncoder,
    MissingExtraError,
    SharedSpace,
    TextEncoder,
    VectorIndex,
    leave_last_out,
)
from mmreco.data.shop import plant
from mmreco.data.windows import windows
from mmreco.encoders.channels import encode_catalogue
from mmreco.nn.loop import train as train_loop
from mmreco.nn.negatives import Negatives
from mmreco.space import training
from mmreco.space.content import item_content
from mmreco.space.model import _NEGATIVES


def timed(work: Callable[[], Any], *, repeats: int) -> float:
    """Seconds of the median run, after one that does not count; the device has ended each."""
    seconds = []
    for _ in range(repeats + 1):
        torch.cuda.synchronize()
        start = perf_counter()
        work()
        torch.cuda.synchronize()
        seconds.append(perf_counter() - start)
    return float(np.median(seconds[1:]))


def search(n: int, dim: int, repeats: int) -> dict[str, Any]:
    """Queries a second of an exact `VectorIndex` on the device and on the CPU, and whether the two agree."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(n, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    embeddings = Embeddings(IdMap.of([str(i) for i in range(n)]), vectors)
    queries = vectors[rng.integers(0, n, 1024)] + 0.05 * rng.normal(size=(1024, dim)).astype(np.float32)
    where = rng.random(n) < 0.5
    gpu, cpu = VectorIndex(embeddings, device="cuda"), VectorIndex(embeddings, device="cpu")
    brute = (queries[:32] @ vectors.T).astype(np.float32)
    expected = np.sort(brute, axis=1)[:, ::-1][:, :10]
    found = gpu.search(queries[:32], 10)
    filtered = gpu.search(queries[:32], 10, where=where)
    figures: dict[str, Any] = {
        "n": n,
        "dim": dim,
        "equal_to_brute_force": bool(np.allclose(found.scores, expected, atol=1e-5)),
        "equal_to_cpu": bool((found.rows == cpu.search(queries[:32], 10).rows).all()),
        "filter_kept": bool(where[filtered.rows].all()),
    }
    for batch in (1, 32, 1024):
        seconds = timed(lambda b=batch: gpu.search(queries[:b], 10), repeats=repeats)  # type: ignore[misc]
        figures[f"queries_a_second_batch_{batch}"] = round(batch / seconds, 1)
    slow = timed(lambda: cpu.search(queries[:32], 10), repeats=max(1, repeats // 3))
    figures["cpu_queries_a_second_batch_32"] = round(32 / slow, 1)
    return figures


def faiss_on_gpu(n: int, dim: int, repeats: int) -> dict[str, Any]:
    """FAISS' own flat (fp32, fp16) and IVF indexes on the device, where a build of FAISS for it is installed."""
    import faiss

    if "GpuIndexFlatIP" not in dir(faiss) or faiss.get_num_gpus() < 1:
        return {"skipped": "no FAISS for a GPU; pip install 'mmreco[gpu]'"}
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(n, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[rng.integers(0, n, 1024)] + 0.05 * rng.normal(size=(1024, dim)).astype(np.float32)
    best = np.argmax(queries[:32] @ vectors.T, axis=1)
    resources = faiss.StandardGpuResources()
    half = faiss.GpuIndexFlatConfig()
    half.useFloat16 = True
    lists = max(16, int(4 * n**0.5))
    made = {
        "flat": lambda: faiss.GpuIndexFlatIP(resources, dim),
        "flat_fp16": lambda: faiss.GpuIndexFlatIP(resources, dim, half),
        "lists": lambda: faiss.GpuIndexIVFFlat(resources, dim, lists, faiss.METRIC_INNER_PRODUCT),
    }
    figures: dict[str, Any] = {"n": n, "dim": dim}
    for name, make in made.items():
        index = make()
        if name == "lists":
            index.train(vectors[rng.permutation(n)[: 64 * lists]])
            index.nprobe = 16
        index.add(vectors)
        found = index.search(queries[:32], 10)[1]
        figures[name] = {"first_is_right": float((found[:, 0] == best).mean())}
        for batch in (1, 32, 1024):
            seconds = timed(lambda i=index, b=batch: i.search(queries[:b], 10), repeats=repeats)  # type: ignore[misc]
            figures[name][f"queries_a_second_batch_{batch}"] = round(batch / seconds, 1)
    return figures


def pictures(repeats: int) -> dict[str, Any]:
    """Prepared pictures a second through `ImageEncoder`, beside the network's own forward pass in bf16."""
    import timm

    figures: dict[str, Any] = {}
    batch = 256
    for name in ("resnet50", "vit_small_patch16_224"):
        encoder = ImageEncoder(f"timm/{name}", weights="random", size=224, device="cuda")
        prepared = list(torch.randint(0, 256, (batch, 3, 224, 224), dtype=torch.uint8))
        ours = timed(lambda e=encoder, p=prepared: e.encode_prepared(p), repeats=repeats)  # type: ignore[misc]
        net = timm.create_model(name, pretrained=False, num_classes=0).eval().cuda()
        net = net.to(memory_format=torch.channels_last)
        pixels = torch.rand(batch, 3, 224, 224, device="cuda").to(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
            bare = timed(lambda n=net, p=pixels: n(p), repeats=repeats)  # type: ignore[misc]
        figures[name] = {
            "pictures_a_second": round(batch / ours, 1),
            "forward_only": round(batch / bare, 1),
            "share": round(bare / ours, 3),
        }
    return figures


def texts(n: int) -> dict[str, Any]:
    """Titles a second through the packaged MiniLM, with the cosine to the same titles on the CPU."""
    shop = plant(n_items=n, n_users=1)
    titles = [title for title in shop.catalogue.column("title") if title]
    try:
        gpu, cpu = TextEncoder("offline", device="cuda"), TextEncoder("offline", device="cpu")
    except MissingExtraError as error:
        return {"skipped": str(error)}
    few = titles[:64]
    cosine = float((gpu.encode(few) * cpu.encode(few)).sum(axis=1).min())
    start = perf_counter()
    gpu.encode(titles, batch_size=512)
    return {
        "titles_a_second": round(len(titles) / (perf_counter() - start), 1),
        "least_cosine_to_cpu": round(cosine, 4),
    }


def space(users: int, epochs: int) -> dict[str, Any]:
    """Events a second that `SharedSpace` trains on, on the planted shop."""
    shop = plant(n_items=1_200, n_users=users)
    encoder = LexicalEncoder().fit([text for text in shop.catalogue.texts() if text])
    content, _ = encode_catalogue({"text": encoder}, shop.catalogue)
    train, _ = leave_last_out(shop.interactions)
    torch.cuda.reset_peak_memory_stats()
    start = perf_counter()
    SharedSpace(epochs=epochs).fit(train, content=content)
    seconds = perf_counter() - start
    return {
        "events": train.n_events,
        "epochs": epochs,
        "seconds": round(seconds, 2),
        "events_a_second": round(epochs * train.n_events / seconds, 1),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2),
    }


def space_at_scale(n_items: int, dim: int, sequences: int) -> dict[str, Any]:
    """Seconds a step and peak memory of training with a very large catalogue and batch, ids alone."""
    rng, length = np.random.default_rng(0), 50
    items = IdMap.of(map(str, range(n_items)))
    users = np.repeat(np.arange(4 * sequences), length + 1)
    log = Interactions.from_events(
        IdMap.of(map(str, range(4 * sequences))), items, users, rng.integers(0, n_items, len(users))
    )
    model = SharedSpace(dim=dim, device="cuda")
    towers = model._towers(n_items, {}, 0, len(log.event_names)).cuda()
    known = item_content(items, np.arange(n_items), {}, None, towers)
    negatives = Negatives(torch.arange(n_items, device="cuda"), _NEGATIVES)
    cut = windows(log, length)
    seconds: list[float] = []

    def losses(number: int) -> Iterator[torch.Tensor]:
        for group in np.split(np.arange(len(cut)), 4):
            torch.cuda.synchronize()
            start = perf_counter()
            yield training.batch_loss(towers, known, log, cut[group], negatives)
            torch.cuda.synchronize()
            seconds.append(perf_counter() - start)

    torch.cuda.reset_peak_memory_stats()
    optimiser = training.optimiser(towers, model.learning_rate)
    train_loop(towers, optimiser, batches=losses, validate=None, epochs=2, patience=None, seed=0, memory=0.997)
    return {
        "items": n_items,
        "dim": dim,
        "sequences_a_batch": sequences,
        "seconds_a_step": round(float(np.median(seconds)), 4),
        "targets_a_second": round(sequences * length / float(np.median(seconds))),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2),
    }


def main() -> int:
    """Run every part that the device allows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    quick = parser.parse_args().quick
    if not torch.cuda.is_available():
        print(json.dumps({"cuda": False, "reason": "no CUDA device; nothing was measured"}))
        return 0
    repeats = 3 if quick else 15
    figures = {
        "cuda": True,
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "search": [search(n, 128, repeats) for n in ((20_000,) if quick else (100_000, 1_000_000))],
        "faiss": faiss_on_gpu(20_000 if quick else 1_000_000, 128, repeats),
        "pictures": pictures(repeats),
        "texts": texts(500 if quick else 5_000),
        "space": space(500 if quick else 20_000, 1 if quick else 3),
        "space_at_scale": space_at_scale(*((10_000, 64, 64) if quick else (10_000_000, 256, 4_096))),
    }
    print(json.dumps(figures))
    equal = all(one["equal_to_brute_force"] and one["filter_kept"] for one in figures["search"])
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
