"""The command that sets models side by side: `mmreco compare`."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmreco.cli.app import (
    Events,
    ImageName,
    Images,
    Items,
    Json,
    Renamed,
    Reviews,
    TextNames,
    Users,
    Weights,
    app,
    print_figures,
)
from mmreco.cli.inputs import encoded, encoders_named, make_model, read_dataset, with_content
from mmreco.errors import DataError

if TYPE_CHECKING:
    from mmreco.data.dataset import Dataset
    from mmreco.evaluation import Comparison
    from mmreco.models.base import Model
    from mmreco.splitting import Split

__all__ = ["compare"]

_LONG = ("figures", "segments")  # of a model: in the file, not on the line
_SHARE_BEFORE = 0.8  # of the events before the moment, split by time


@app.command()
def compare(
    demo: Annotated[bool, typer.Option("--demo", help="Compare on the synthetic shop.")] = False,
    movielens: Annotated[Path | None, typer.Option(help="Compare on MovieLens-1M, in this folder.")] = None,
    items: Items = None,
    events: Events = None,
    reviews: Reviews = None,
    users: Users = None,
    images: Images = None,
    text: TextNames = None,
    image: ImageName = None,
    weights: Weights = None,
    rename: Renamed = None,
    models: Annotated[str | None, typer.Option(help="Names parted by commas; all if omitted.")] = None,
    protocol: Annotated[
        str, typer.Option(help="leave-last-out, temporal, or both parted by a comma.")
    ] = "leave-last-out",
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="The cut-off that is tested.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of the shop, the models and the tests.")] = 0,
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
    Example: mmreco compare --demo --models EASE,ItemKNN,SharedSpace --json
    Example: mmreco compare --movielens ml-1m/ --protocol leave-last-out,temporal --out movies/
    Example: mmreco compare --items items.parquet --events events.parquet --images photos/
    """
    from mmreco.evaluation import compare as measure
    from mmreco.evaluation.results_store import ResultsStore
    from mmreco.report import comparison_page
    from mmreco.storage.outputs import OutputFolder

    begun = perf_counter()
    splitters = _splitters(protocol)
    names = None if models is None else [name.strip() for name in models.split(",") if name.strip()]
    chosen = _models(names, seed=seed, minutes=minutes)
    if sum([demo, movielens is not None, items is not None or events is not None]) != 1:
        raise DataError("compare: say what on: --demo, --movielens FOLDER, or --items and --events; one of them")
    outputs = OutputFolder.open(out)
    outputs.require_free(["report.html", "figures.json"])
    if demo:
        title, dataset = "The synthetic shop", _demo(out, seed)
    elif movielens is not None:
        from mmreco.datasets.movielens import movielens as read_movielens

        title, dataset = "MovieLens-1M", read_movielens(movielens)
    else:
        title = (events or items or Path()).stem
        dataset = read_dataset(items=items, events=events, reviews=reviews, users=users, images=images, rename=rename)
    named = encoders_named(dataset.catalogue, text, image, weights)
    shop = encoded(dataset.catalogue, seed=seed, **named)
    if names is None and not shop.encoders:
        del chosen["ContentKNN"]
    comparisons: dict[str, Comparison] = {}
    prepared = 0.0
    for name, splitter in splitters.items():
        split = splitter(dataset)
        split = replace(split, train=with_content(split.train, shop))
        prepared = prepared or perf_counter() - begun
        results = out / "results" / name
        if not resume:
            ResultsStore.clear(results)
        comparisons[name] = measure(
            chosen, split, k=k, folder=results, seed=seed, jobs=jobs or _usual_jobs(), progress=True
        )
    path = comparison_page(comparisons, dataset.catalogue, out / "report.html", title=title)
    whole = {name: comparison.to_dict() for name, comparison in comparisons.items()}
    outputs.write("figures.json", json.dumps(whole, ensure_ascii=False, indent=1))
    first, *others = comparisons
    figures: dict[str, Any] = {"models": _short(whole[first])}
    figures |= {name: {"models": _short(whole[name]), **_about(comparisons[name])} for name in others}
    figures |= {
        "protocol": first,
        **_about(comparisons[first]),
        "minutes": minutes,
        "seed": seed,
        "seconds": {"prepare": round(prepared, 1), "total": round(perf_counter() - begun, 1)},
        "report": str(path),
    }
    print_figures(
        figures, as_json, lambda: "\n\n".join([*(f"{n}: {c!r}" for n, c in comparisons.items()), f"report: {path}"])
    )


def _models(names: list[str] | None, *, seed: int, minutes: float) -> "dict[str, Model]":
    """The models of these names, all when None, those that take longest first."""
    from mmreco.models import MODELS

    return {name: make_model(name, seed=seed, minutes=minutes) for name in names or reversed(list(MODELS))}


def _demo(folder: Path, seed: int) -> "Dataset":
    """The synthetic shop, with its pictures drawn into `folder`."""
    from mmreco.datasets.synthetic import synthetic_shop
    from mmreco.datasets.synthetic.pictures import draw
    from mmreco.storage.outputs import OutputFolder

    shop, pictures = synthetic_shop(seed=seed), OutputFolder.open(folder).inside("pictures")
    return replace(shop.dataset, catalogue=draw(shop, pictures.folder, seed=seed))


def _splitters(protocol: str) -> "dict[str, Callable[[Dataset], Split]]":
    from mmreco.splitting import by_time, leave_last_out

    every: dict[str, Callable[[Dataset], Split]] = {
        "leave-last-out": leave_last_out,
        "temporal": lambda dataset: by_time(dataset, _SHARE_BEFORE),
    }
    names = [name.strip() for name in protocol.split(",") if name.strip()]
    if not names or any(name not in every for name in names):
        raise DataError(f"--protocol {protocol}: expected {', '.join(every)}")
    return {name: every[name] for name in names}


def _usual_jobs() -> int:
    """Models at a time: a GPU is not shared, and four hold enough memory."""
    import torch

    return 1 if torch.cuda.is_available() else min(4, torch.get_num_threads())


def _short(models: dict[str, Any]) -> dict[str, Any]:
    return {name: {key: value for key, value in of.items() if key not in _LONG} for name, of in models.items()}


def _about(comparison: "Comparison") -> dict[str, Any]:
    report = next(iter(comparison.reports.values()))
    return {"users": report.n, "verdict": comparison.verdict(), "failed": dict(comparison.failed)}
