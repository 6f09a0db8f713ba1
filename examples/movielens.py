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
    Attributes,
    Catalogue,
    Embeddings,
    ImageEncoder,
    Interactions,
    ItemKNN,
    Popular,
    SharedSpace,
    TextEncoder,
    cold_items,
    embed,
    evaluate,
    leave_last_out,
    with_title_tokens,
)
from mmreco.datasets.movielens import movielens

Told = tuple[Mapping[str, Embeddings], Attributes | None]
"""What is known of the films: vectors by modality, and genres with the words of titles."""


def read(folder: Path) -> tuple[Catalogue, Interactions]:
    """The films with five ratings or more, and who rated them: in order, without times, as others are measured."""
    films, log = movielens(folder)
    return films, Interactions.from_events(log.users, log.items, log.users_flat, log.items_flat)


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


def all_films(
    events: Interactions, variants: Mapping[str, Told], *, settings: Mapping[str, int], progress: bool
) -> dict[str, dict[str, float]]:
    """Recall@10 and NDCG@10 of each user's last film; beside ids alone, the difference and its standard error."""
    train, test = leave_last_out(events)
    found = {
        name: evaluate(model.fit(train), test, 10) for name, model in (("Popular", Popular()), ("ItemKNN", ItemKNN()))
    }
    train, validation = leave_last_out(train)
    for name, (content, facts) in variants.items():
        space = SharedSpace(**settings)
        space.fit(train, content=content, attributes=facts, validation=validation, progress=progress)
        found[name] = evaluate(space, test, 10)
        print(f"all films, {name}: pass {space.epochs_} of {len(space.scores_)} kept\n{found[name]}", flush=True)
    figures = {name: {m: round(report[m], 4) for m in ("recall@10", "ndcg@10")} for name, report in found.items()}
    for name in set(variants) - {"ids"} if "ids" in variants else ():
        apart = found[name].per_user["ndcg@10"] - found["ids"].per_user["ndcg@10"]
        error = apart.std() / len(apart) ** 0.5
        figures[name] |= {"ndcg@10 over ids": round(float(apart.mean()), 4), "± over users": round(float(error), 4)}
    return figures


def new_films(
    events: Interactions, variants: Mapping[str, Told], *, settings: Mapping[str, int], progress: bool
) -> dict[str, dict[str, float]]:
    """Recall@20 of films that never appear in training, among themselves and in the whole catalogue."""
    train, test, cold = cold_items(events, share=0.1, seed=0)
    found = {"chance": {"among new@20": round(20 / int(cold.sum()), 4), "among all@20": round(20 / len(cold), 4)}}
    for name, (content, facts) in variants.items():
        space = SharedSpace(**settings).fit(train, content=content, attributes=facts, progress=progress)
        among = evaluate(space, test, 20, where=cold)["recall@20"]
        everywhere = evaluate(space, test, 20)["recall@20"]
        found[name] = {"among new@20": round(among, 4), "among all@20": round(everywhere, 4)}
        print(f"new films, {name}: {found[name]}", flush=True)
    return found


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
    films, events = read(data / "ml1m")
    print(f"{len(events)} users, {len(films)} films, {events.n_events} ratings")
    chosen = given.only.split(",")
    content = encode(films, data, progress=given.progress) if chosen != ["ids"] else {}
    modalities: dict[str, tuple[str, ...]] = {
        "ids": (),
        "titles": ("text",),
        "posters": ("image",),
        "both": ("text", "image"),
    }
    words = Attributes.from_catalogue(with_title_tokens(films))
    variants: dict[str, Told] = {
        name: ({m: content[m] for m in modalities[name]}, words if "text" in modalities[name] else None)
        for name in chosen
    }
    settings = {"epochs": given.epochs, "seed": given.seed}
    figures = {}
    if "all" in given.films.split(","):
        figures["all"] = all_films(events, variants, settings=settings, progress=given.progress)
    if "new" in given.films.split(","):
        named = {name: told for name, told in variants.items() if told[0]}
        figures["new"] = new_films(events, named, settings=settings, progress=given.progress)
    print(json.dumps({**figures, "seed": given.seed, "seconds": round(perf_counter() - start, 1)}))


if __name__ == "__main__":
    main()
