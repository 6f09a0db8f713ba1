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
    Attributes,
    Embeddings,
    IdMap,
    ImageEncoder,
    Interactions,
    LexicalEncoder,
    MissingExtraError,
    SharedSpace,
    TextEncoder,
    Training,
    VectorIndex,
    leave_last_out,
)
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.embedding.catalogue import encode_content
from mmreco.encoders.baskets import Baskets
from mmreco.index.gpu import available
from mmreco.models.sharedspace import training
from mmreco.models.sharedspace.content import item_content
from mmreco.models.sharedspace.model import _NEGATIVES
from mmreco.nn.batching import windows
from mmreco.nn.negatives import Negatives
from mmreco.nn.training_loop import train as train_loop


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


def search_at_scale(n: int, dim: int, repeats: int) -> dict[str, Any]:
    """Vectors kept in halves, the best 100: one query beside one reading of the vectors, many beside the bare product.

    Both yardsticks are measured here, with torch, on vectors of the same size and kind.
    """
    chance = torch.Generator("cuda").manual_seed(0)
    vectors = np.empty((n, dim), dtype=np.float32)
    for start in range(0, n, 1 << 20):
        drawn = torch.randn(min(1 << 20, n - start), dim, device="cuda", generator=chance)
        vectors[start : start + len(drawn)] = torch.nn.functional.normalize(drawn).cpu().numpy()
    queries = vectors[:: max(1, n // 4_096)][:4_096] + np.float32(0.3 / dim**0.5) * np.random.default_rng(0).normal(
        size=(4_096, dim)
    ).astype(np.float32)
    reading, product, true = _yardsticks(vectors, queries, repeats)
    torch.cuda.empty_cache()
    index = VectorIndex(Embeddings(IdMap.of(map(str, range(n))), vectors), quality="SQfp16", device="cuda")
    found = index.search(queries[:64], 100).rows
    one = timed(lambda: index.search(queries[:1], 100), repeats=repeats)
    many = timed(lambda: index.search(queries, 100), repeats=max(1, repeats // 3))
    return {
        "n": n,
        "dim": dim,
        "recall_at_100": float(np.mean([np.isin(t, f).mean() for t, f in zip(true, found, strict=True)])),
        "gigabytes_a_second_read": round(2 * n * dim / reading / 1e9),
        "teraflops_of_the_product": round(2 * len(queries) * n * dim / product / 1e12),
        "batch_1_ms": round(1e3 * one, 3),
        "batch_1_in_readings": round(one / reading, 2),
        "batch_4096_ms": round(1e3 * many, 1),
        "batch_4096_share_of_the_product": round(product / many, 3),
    }


def _yardsticks(vectors: np.ndarray, queries: np.ndarray, repeats: int) -> tuple[float, float, np.ndarray]:
    """Seconds to read the vectors once, in halves, and to multiply them with all queries; 64 queries' best 100."""
    halves = torch.tensor(vectors, device="cuda", dtype=torch.float16)
    asked = torch.tensor(queries, device="cuda", dtype=torch.float16)
    part = halves[: 1 << 17]
    reading = timed(lambda: halves.view(torch.int32).sum(), repeats=repeats)
    product = timed(lambda: asked @ part.T, repeats=repeats) * len(halves) / len(part)
    wide = torch.tensor(vectors, device="cuda")
    true = (torch.tensor(queries[:64], device="cuda") @ wide.T).topk(100, dim=1).indices.cpu().numpy()
    return reading, product, true


def structure(quality: str, n: int, dim: int, repeats: int) -> dict[str, Any]:
    """`VectorIndex` over lists or a graph of FAISS on the device, where a build of FAISS that has them is installed."""
    import faiss

    if not available(faiss):
        return {"skipped": "no FAISS for a GPU; pip install 'mmreco[gpu]'"}
    if quality.startswith("CAGRA") and not hasattr(faiss, "GpuIndexCagra"):
        return {"skipped": "FAISS without cuVS; pip install 'mmreco[cuvs]'"}
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(n // 500, dim))
    vectors = (centres[rng.integers(len(centres), size=n)] + 0.5 * rng.normal(size=(n, dim))).astype(np.float32)
    queries = vectors[rng.integers(0, n, 1024)] + 0.1 * rng.normal(size=(1024, dim)).astype(np.float32)
    where = rng.random(n) < 0.5
    index = VectorIndex(Embeddings(IdMap.of(map(str, range(n))), vectors), quality=quality, device="cuda")
    exact = VectorIndex(index.embeddings, device="cuda")
    figures: dict[str, Any] = {"n": n, "dim": dim, **{key: index.report()[key] for key in ("kind", "recall", "effort")}}
    for name, mask in (("recall", None), ("recall_of_half", where)):
        true, found = (each.search(queries[:256], 10, where=mask).rows for each in (exact, index))
        figures[f"{name}_seen"] = float(np.mean([np.isin(t, f).mean() for t, f in zip(true, found, strict=True)]))
    figures["filter_kept"] = bool(where[index.search(queries, 10, where=where).rows].all())
    for batch in (1, 32, 1024):
        seconds = timed(lambda b=batch: index.search(queries[:b], 10), repeats=repeats)  # type: ignore[misc]
        figures[f"queries_a_second_batch_{batch}"] = round(batch / seconds, 1)
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
    shop = synthetic_shop(n_items=n, n_users=1)
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
    shop = synthetic_shop(n_items=1_200, n_users=users)
    encoder = LexicalEncoder().fit([text for text in shop.catalogue.texts() if text])
    content, _ = encode_content({"text": encoder}, shop.catalogue)
    train = leave_last_out(shop.dataset.with_content(content)).train
    n_events = train.interactions.n_events
    torch.cuda.reset_peak_memory_stats()
    start = perf_counter()
    SharedSpace(training=Training(epochs=epochs)).fit(train)
    seconds = perf_counter() - start
    return {
        "events": n_events,
        "epochs": epochs,
        "seconds": round(seconds, 2),
        "events_a_second": round(epochs * n_events / seconds, 1),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2),
    }


def space_at_scale(n_items: int, dim: int, sequences: int) -> dict[str, Any]:
    """Seconds a step and peak memory of training with a very large catalogue and batch, ids alone; compiled and not."""
    rng, length = np.random.default_rng(0), 50
    items = IdMap.of(map(str, range(n_items)))
    users = np.repeat(np.arange(4 * sequences), length + 1)
    log = Interactions.from_events(
        IdMap.of(map(str, range(4 * sequences))), items, users, rng.integers(0, n_items, len(users))
    )
    model = SharedSpace(dim=dim)
    model._widths, model._horizon, model.event_names_ = {}, None, log.event_names
    model.vocabulary_ = Attributes.from_lists(items, {}).take([])
    towers = model._network(n_items).cuda()
    known = item_content(items, np.arange(n_items), {}, None, towers)
    negatives = Negatives(torch.arange(n_items, device="cuda"), _NEGATIVES)
    baskets = Baskets.of(log)
    cut = windows(baskets.user_starts, length)
    taken: list[float] = []

    def losses(number: int) -> Iterator[torch.Tensor]:
        for group in np.split(np.arange(len(cut)), 4):
            torch.cuda.synchronize()
            start = perf_counter()
            yield training.batch_loss(towers, known, baskets, cut[group], negatives, None, rng)
            torch.cuda.synchronize()
            taken.append(perf_counter() - start)

    figures: dict[str, Any] = {"items": n_items, "dim": dim, "sequences_a_batch": sequences}
    for name, steps in (("as written", 0), ("compiled", sequences * length * 10_000)):
        torch.cuda.reset_peak_memory_stats()
        taken.clear()
        optimiser = training.optimiser(towers, model.training.learning_rate)
        with training.compiled(towers, steps):
            train_loop(towers, optimiser, batches=losses, validate=None, epochs=2, patience=None, seed=0, memory=0.997)
        figures[name] = {
            "seconds_a_step": round(float(np.median(taken)), 4),
            "targets_a_second": round(sequences * length / float(np.median(taken))),
            "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2),
        }
    return figures


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
        "search_at_scale": search_at_scale(*((100_000, 64) if quick else (10_000_000, 256)), repeats),
        **{
            name: structure(quality, 50_000 if quick else 1_000_000, 128, repeats)
            for name, quality in (("lists", "IVF4096,SQ8"), ("graph", "CAGRA32"))
        },
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
