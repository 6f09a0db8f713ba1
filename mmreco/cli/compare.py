"""The command that sets models side by side: `mmreco compare`."""

import json
import shutil
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmreco.cli.app import Images, Json, Renamed, app, say, tables
from mmreco.errors import DataError

if TYPE_CHECKING:
    from mmreco.cli.protocols import Contest
    from mmreco.evaluation import Comparison

__all__ = ["compare"]

_LONG = ("figures", "segments")  # of a model: in the file, not on the line


@app.command()
def compare(
    what: Annotated[str | None, typer.Argument(help="demo, ml1m; none with --items and --events.")] = None,
    data: Annotated[Path | None, typer.Option(help="The folder MovieLens lies in, with ml1m.")] = None,
    items: Annotated[Path | None, typer.Option(help="Catalogue: a table with a column item_id.")] = None,
    events: Annotated[Path | None, typer.Option(help="Behaviour log: a table with user_id and item_id.")] = None,
    images: Images = None,
    rename: Renamed = None,
    models: Annotated[str | None, typer.Option(help="Names parted by commas; all if omitted.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="leave-last-out, temporal, or both parted by a comma; both for ml1m if omitted.")
    ] = None,
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="The cut-off that is tested.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the shop, the models and the tests.")] = 0,
    minutes: Annotated[
        float, typer.Option(min=0.01, help="A model's training ends at its first look at validation after so long.")
    ] = 20,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Models at a time; if omitted one a processor, four at most, and one with a GPU."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the report and the figures.")] = Path("compare-out"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what the folder holds.")] = False,
    as_json: Json = False,
) -> None:
    """Set models side by side on one split.

    Each is fitted and asked for what was held out, among all items: figures with intervals, paired tests
    against Random and each other, time and memory, in words, as JSON, and as an HTML report.

    \b
    Example: mmreco compare demo --models EASE,ItemKNN,SharedSpace --json
    Example: mmreco compare ml1m --data ml-1m/ --out movies/
    Example: mmreco compare --items items.parquet --events events.parquet --images photos/
    """
    from mmreco.cli import protocols as contests
    from mmreco.evaluation import compare as measured
    from mmreco.report import comparison_page

    begun = perf_counter()
    protocols = _protocols(what, protocol)
    out.mkdir(parents=True, exist_ok=True)
    contest = _contest(what, data, items, events, images, rename, out, seed)
    asked = None if models is None else [name.strip() for name in models.split(",") if name.strip()]
    chosen = contests.entries(contest, asked, minutes)
    prepared = perf_counter() - begun
    found: dict[str, Comparison] = {}
    for name in protocols:
        split = contests.PROTOCOLS[name](contest.events)
        kept = out / "results" / name
        if kept.exists() and not resume:
            for old in kept.glob("model-*"):
                shutil.rmtree(old)
        found[name] = measured(
            chosen,
            split,
            k=k,
            known=contest.known(split[0]),
            folder=kept,
            seed=seed,
            jobs=_jobs() if jobs is None else jobs,
            progress=True,
        )
    path = comparison_page(found, contest.catalogue, out / "report.html", title=contest.title)
    whole = {name: comparison.to_dict() for name, comparison in found.items()}
    (out / "figures.json").write_text(json.dumps(whole, ensure_ascii=False, indent=1), encoding="utf-8")
    first = found[protocols[0]]
    figures: dict[str, Any] = {"models": _short(whole[protocols[0]])}
    figures |= {name: {"models": _short(whole[name]), **_about(found[name])} for name in protocols[1:]}
    figures |= {
        "protocol": protocols[0],
        **_about(first),
        "minutes": minutes,
        "seed": seed,
        "seconds": {"prepare": round(prepared, 1), "total": round(perf_counter() - begun, 1)},
        "report": str(path),
    }
    say(figures, as_json, lambda: "\n\n".join([*(f"{n}: {c!r}" for n, c in found.items()), f"report: {path}"]))


def _contest(
    what: str | None,
    data: Path | None,
    items: Path | None,
    events: Path | None,
    images: Path | None,
    rename: list[str] | None,
    out: Path,
    seed: int,
) -> "Contest":
    from mmreco.cli import protocols as contests

    if what == "demo":
        return contests.demo(out, seed)
    if what == "ml1m":
        if data is None:
            raise DataError("compare ml1m: say where it lies, --data FOLDER")
        return contests.movies(data, seed)
    if what is not None:
        raise DataError(f"compare {what}: expected demo, ml1m, or --items and --events")
    if items is None or events is None:
        raise DataError("compare: say what on: demo, ml1m --data FOLDER, or --items and --events")
    shop, log = tables(items, events, images, rename)
    return contests.Contest(events.stem, shop, log, seed=seed)


def _jobs() -> int:
    """Models at a time: a GPU is not shared, and four hold enough memory."""
    import torch

    return 1 if torch.cuda.is_available() else min(4, torch.get_num_threads())


def _protocols(what: str | None, given: str | None) -> list[str]:
    from mmreco.cli.protocols import PROTOCOLS

    if given is None:
        return list(PROTOCOLS) if what == "ml1m" else ["leave-last-out"]
    names = [name.strip() for name in given.split(",") if name.strip()]
    if not names or any(name not in PROTOCOLS for name in names):
        raise DataError(f"--protocol {given}: expected {', '.join(PROTOCOLS)}")
    return names


def _short(models: dict[str, Any]) -> dict[str, Any]:
    return {name: {key: value for key, value in of.items() if key not in _LONG} for name, of in models.items()}


def _about(found: "Comparison") -> dict[str, Any]:
    report = next(iter(found.reports.values()))
    return {"users": report.n, "verdict": found.verdict(), "failed": dict(found.failed)}
