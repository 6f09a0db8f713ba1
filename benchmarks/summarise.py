"""What pytest-benchmark saved, in short, as a result file: `benchmarks/quality/results/search-vectors.json`.

    OMP_NUM_THREADS=1 MMRECO_BENCH_ITEMS=200000 python -m pytest --benchmark-only --benchmark-json=bench.json \\
      benchmarks/test_exact.py -k "beside_peers and not 256 and not 1024"
    python benchmarks/summarise.py bench.json --seconds 45     # what the command took
"""

import argparse
import json
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "quality" / "results" / "search-vectors.json"


def summary(run: dict[str, Any]) -> dict[str, Any]:
    """Each benchmark by its name, with its median in milliseconds and what it noted."""
    found = {
        bench["name"].removeprefix("test_"): {
            "milliseconds": round(bench["stats"]["median"] * 1e3, 4),
            **{name: noted for name, noted in bench["extra_info"].items() if not name.startswith("curve ")},
        }
        for bench in run["benchmarks"]
    }
    machine = run["machine_info"]
    return {"search": found, "date": run["datetime"][:10], "processor": machine["cpu"].get("brand_raw", "")}


def main() -> None:
    """Read one file, write another."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path, help="what `make bench` saved")
    parser.add_argument("--threads", type=int, default=1, help="as OMP_NUM_THREADS was")
    parser.add_argument("--seconds", type=float, required=True, help="what the command took")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    found = summary(json.loads(given.run.read_text(encoding="utf-8")))
    found |= {"threads": given.threads, "seconds": given.seconds}
    given.out.write_text(json.dumps(found) + "\n", encoding="utf-8")
    print(given.out)


if __name__ == "__main__":
    main()
