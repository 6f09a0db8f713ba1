"""A long embedding job over pictures of which one in a hundred is bad: what is lost, and what memory it takes.

Usage: python benchmarks/reliability_embedding.py [--pictures 100000]

Draws small pictures, damages one in a hundred (cut short, a text, an empty file, a bomb of 4,225 megapixels, another
format's first bytes), runs `mmreco embed` on a tenth of them and on all, and compares. None should be lost, and memory
should not grow with the catalogue but by ids and hashes. The last line of standard output is one JSON object.
"""

import argparse
import io
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from safetensors.torch import save_file

from mmreco import Embeddings, ImageEncoder

MODEL = "mmreco/picturecnn-64-8"
CHECKED = 500  # vectors compared with the encoder's own


def picture(rng: np.random.Generator) -> bytes:
    """A small JPEG that no other equals."""
    blocks = rng.integers(256, size=(4, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(blocks).resize((48, 48), Image.Resampling.NEAREST).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes that claims 65,000 x 65,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 65_000, 65_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


def drawn(folder: Path, n: int) -> set[str]:
    """Draw the pictures; the ids of those that are bad."""
    rng = np.random.default_rng(0)
    bad = set(rng.permutation(n)[: n // 100].tolist())
    damaged = (lambda raw: raw[: len(raw) // 3], lambda raw: b"no picture", lambda raw: b"", lambda raw: bomb())
    for number in range(n):
        raw = picture(rng)
        if number in bad:
            raw = damaged[number % 4](raw)
        (folder / f"sku-{number:06d}.jpg").write_bytes(raw)
    return {f"sku-{number:06d}" for number in bad}


def job(pictures: Path, weights: Path, out: Path, limit: int) -> dict[str, Any]:
    """Run the command; what it said, and the most memory it held in MiB."""
    command = [
        Path(sys.executable).with_name("mmreco"),
        "embed",
        "--images",
        pictures,
        "--encoder",
        MODEL,
        "--weights",
        weights,
    ]
    command += ["--out", out, "--limit", limit, "--json"]
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = running.stdout.read()
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    return {**json.loads(said.splitlines()[-1]), "exit": running.returncode, "memory_mb": round(used.ru_maxrss / 1024)}


def main() -> None:
    """Draw, run, compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=100_000)
    n = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        (top / "pictures").mkdir()
        bad = drawn(top / "pictures", n)
        encoder = ImageEncoder(MODEL, weights="random", device="cpu")
        state = encoder._network.module.state_dict()
        save_file({name: held.contiguous() for name, held in state.items()}, top / "weights.safetensors")
        tenth = job(top / "pictures", top / "weights.safetensors", top / "tenth", n // 10)
        whole = job(top / "pictures", top / "weights.safetensors", top / "whole", n)
        found = Embeddings.load(top / "whole")
        refused = pq.read_table(next((top / "whole").rglob("refused.parquet"))).to_pydict()
        ids = found.ids.array.to_pylist()
        some = np.random.default_rng(1).permutation(len(ids))[:CHECKED]
        own = encoder.encode([top / "pictures" / f"{ids[row]}.jpg" for row in some])
        print(
            json.dumps(
                {
                    "pictures": n,
                    "embedded": len(ids),
                    "refused": len(refused["id"]),
                    "lost": n - len(ids) - len(refused["id"]),
                    "twice": len(ids) - len(set(ids)),
                    "wrongly_refused": len(set(refused["id"]) - bad),
                    "wrongly_embedded": len(bad & set(ids)),
                    "largest_difference": float(np.abs(own - found.vectors[some]).max()),
                    "reasons": sorted({re.sub(r"\d+", "N", reason)[:80] for reason in refused["reason"]}),
                    "tenth": tenth,
                    "whole": whole,
                }
            )
        )


if __name__ == "__main__":
    main()
