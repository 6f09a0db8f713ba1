"""MovieLens-1M end to end: posters, titles and behaviour; with and without each, for all films and for new ones.

All films: leave the last one out, histories of up to 200, the whole catalogue ranked. New films: a tenth of the
films never appears in training; asked for is the last of them that a user saw, given what came before.

    MMRECO_DATA=path/to/data python examples/movielens.py

The folder `ml1m` in it holds `ml1m_interactions.parquet` (user, movie, pos), `movies.dat` and `posters/<movie>.jpg`;
`weights` holds `squeezenet1_0_imagenet_fp16.safetensors`. Titles are read by the MiniLM of `mmreco[offline]`
and, with the genres, word by word.
"""

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

from mmreco import (
    Catalogue,
    Dataset,
    Embeddings,
    ImageEncoder,
    Interactions,
    ItemKNN,
    Popular,
    SharedSpace,
    TextEncoder,
    Training,
    cold_items,
    embed,
    evaluate,
    leave_last_out,
)
from mmreco.datasets.movielens import movielens


def read(folder: Path) -> Dataset:
    """The films with five ratings or more, and who rated them: in order, without times, as others are measured."""
    shop = movielens(folder)
    log = shop.interactions
    return Dataset(shop.catalogue, Interactions.from_events(log.users, log.items, log.users_flat, log.items_flat))


def encode(films: Catalogue, data: Path, *, progress: bool) -> Mapping[str, Embeddings]:
    """Titles with genres by MiniLM, posters by SqueezeNet."""
    genres = [", ".join(names or ()) for names in films.column("category")]
    titles = [f"{title} ({genre})" for title, genre in zip(films.column("title"), genres, strict=True)]
    network = ImageEncoder(
        "torchvision/squeezenet1_0", weights=data / "weights" / "squeezenet1_0_imagenet_fp16.safetensors"
    )
    read_titles = embed(TextEncoder("offline"), films.items, titles, progress=progress)
    read_posters = embed(network, films.items, films.column("image"), progress=progress)
    print(f"titles: {read_titles}, {read_titles.seconds:.0f} s; posters: {read_posters}, {read_posters.seconds:.0f} s")
    return {"text": read_titles.embeddings, "image": read_posters.embeddings}


def bare(dataset: Dataset) -> Dataset:
    """The same log, and nothing known of the films but their ids."""
    return Dataset.from_interactions(dataset.interactions)


def all_films(
    variants: Mapping[str, Dataset], *, epochs: int, seed: int, progress: bool
) -> dict[str, dict[str, float]]:
    """Recall@10 and NDCG@10 of each user's last film; beside ids alone, the difference and its standard error."""
    first = leave_last_out(next(iter(variants.values())))
    reports = {
        name: evaluate(model.fit(first.train), first, 10)
        for name, model in (("Popular", Popular()), ("ItemKNN", ItemKNN()))
    }
    for name, dataset in variants.items():
        outer = leave_last_out(dataset)
        inner = leave_last_out(outer.train)
        space = SharedSpace(training=Training(epochs=epochs, seed=seed))
        space.fit(inner.train, validation=inner.test, progress=progress)
        reports[name] = evaluate(space, outer, 10)
        print(f"all films, {name}: pass {space.epochs_} of {len(space.scores_)} kept\n{reports[name]}", flush=True)
    figures = {name: {m: round(report[m], 4) for m in ("recall@10", "ndcg@10")} for name, report in reports.items()}
    for name in set(variants) - {"ids"} if "ids" in variants else ():
        apart = reports[name].per_user["ndcg@10"] - reports["ids"].per_user["ndcg@10"]
        error = apart.std() / len(apart) ** 0.5
        figures[name] |= {"ndcg@10 over ids": round(float(apart.mean()), 4), "± over users": round(float(error), 4)}
    return figures


def new_films(
    variants: Mapping[str, Dataset], *, epochs: int, seed: int, progress: bool
) -> dict[str, dict[str, float]]:
    """Recall@20 of films that never appear in training, among themselves and in the whole catalogue."""
    figures: dict[str, dict[str, float]] = {}
    for name, dataset in variants.items():
        split = cold_items(dataset, share=0.1, seed=0)
        new = int(split.candidates.sum()) if split.candidates is not None else 0
        figures["chance"] = {"among new@20": round(20 / new, 4), "among all@20": round(20 / len(dataset), 4)}
        space = SharedSpace(training=Training(epochs=epochs, seed=seed)).fit(split.train, progress=progress)
        among = evaluate(space, split, 20)["recall@20"]
        everywhere = evaluate(space, split.test, 20)["recall@20"]
        figures[name] = {"among new@20": round(among, 4), "among all@20": round(everywhere, 4)}
        print(f"new films, {name}: {figures[name]}", flush=True)
    return figures


def main() -> None:
    """Read, encode, train each variant, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default=os.environ.get("MMRECO_DATA"), help="folder of the data (or MMRECO_DATA)")
    parser.add_argument("--only", default="ids,titles,posters,both", help="which of ids,titles,posters,both")
    parser.add_argument("--films", default="all,new", help="which of all,new: every film, and those not trained on")
    parser.add_argument("--epochs", type=int, default=30, help="passes over the ratings at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--progress", action="store_true")
    given = parser.parse_args()
    if given.data is None:
        parser.error("say where the data is: --data FOLDER, or set MMRECO_DATA")
    start = perf_counter()
    data = Path(given.data)
    films = read(data / "ml1m")
    print(films)
    chosen = given.only.split(",")
    content = encode(films.catalogue, data, progress=given.progress) if chosen != ["ids"] else {}
    variants = {
        "ids": bare(films),
        "titles": films.with_content({name: vectors for name, vectors in content.items() if name == "text"}),
        "posters": bare(films).with_content({name: vectors for name, vectors in content.items() if name == "image"}),
        "both": films.with_content(content),
    }
    variants = {name: variants[name] for name in chosen}
    settings = {"epochs": given.epochs, "seed": given.seed, "progress": given.progress}
    figures = {}
    if "all" in given.films.split(","):
        figures["all"] = all_films(variants, **settings)
    if "new" in given.films.split(","):
        figures["new"] = new_films({name: dataset for name, dataset in variants.items() if name != "ids"}, **settings)
    print(json.dumps({**figures, "seed": given.seed, "seconds": round(perf_counter() - start, 1)}))


if __name__ == "__main__":
    main()
