"""The quality tables of docs/benchmarks.md, made from the JSON objects that the other scripts keep.

    python benchmarks/quality/table.py [--results benchmarks/quality/results] [--check]

Everything between the two marks in the page is written anew; `--check` only says whether it would change (exit code 1).
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ablation import ROWS
from protocol import NAMES

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- quality tables: begin -->", "<!-- quality tables: end -->"
PUBLISHED = {
    "beauty": (
        ("SASRec", "strict", (0.0387, 0.0249, 0.0605, 0.0318), "Rajput et al. (TIGER), 2023"),
        ("TIGER", "strict", (0.0454, 0.0321, 0.0648, 0.0384), "the same"),
        ("ActionPiece", "strict", (None, None, 0.0775, 0.0424), "Hou et al., 2025"),
        ("FDSA", "strict", (0.0570, 0.0412, 0.0777, 0.0478), "as run by GRAM, 2025"),
        ("GRAM", "strict", (0.0641, 0.0451, 0.0890, 0.0531), "Lee et al., 2025"),
        ("SASRec, sampled softmax, ids", "refit", (None, None, 0.0921, 0.0531), "eSASRec benchmark, 2025"),
        ("eSASRec, ids", "refit", (None, None, 0.0928, 0.0523), "the same"),
    )
}


def spread(values: Sequence[float]) -> str:
    """Mean and, of more than one, the standard deviation."""
    mean = f"{np.mean(values):.4f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.4f}"


def kept(results: Path, pattern: str) -> list[dict[str, Any]]:
    """The objects of these files, in order of their names."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob(pattern))]


def rows_of(name: str, runs: list[dict[str, Any]]) -> list[str]:
    """One data set: the published figures, then ours."""
    head = "Recall@5 | NDCG@5 | Recall@10 | NDCG@10"
    lines = [f"| {name}, test | convention | {head} | source |", "|---|---|---|---|---|---|---|"]
    for who, convention, numbers, source in PUBLISHED.get(name, ()):
        shown = " | ".join("" if number is None else f"{number:.4f}" for number in numbers)
        lines.append(f"| {who} | {convention} | {shown} | {source} |")
    seeds = ", ".join(str(run["seed"]) for run in runs)
    passes = ", ".join(str(run["passes"]) for run in runs)
    for convention in ("strict", "refit"):
        shown = " | ".join(f"**{spread([run[convention][figure] for run in runs])}**" for figure in NAMES)
        seconds = f"{np.median([run['fit_seconds'][convention] for run in runs]):.0f} s a fit"
        lines.append(f"| **SharedSpace** | {convention} | {shown} | seeds {seeds}; epochs {passes}; {seconds} |")
    shown = " | ".join(spread([run["validation"][figure] for run in runs]) for figure in NAMES)
    return [*lines, f"| SharedSpace | validation | {shown} | |"]


def ablations(runs: list[dict[str, Any]], recipe: list[dict[str, Any]]) -> list[str]:
    """What each ingredient brings: the recipe, and runs of the same seeds without one."""
    lines = ["| Beauty, strict, NDCG@10 | validation | test | seeds |", "|---|---|---|---|"]
    for row in ("the recipe", *ROWS):
        own = recipe if row == "the recipe" else [run for run in runs if run["row"] == row]
        if own:
            shown = " | ".join(spread([run[part]["ndcg@10"] for run in own]) for part in ("validation", "strict"))
            lines.append(f"| {row} | {shown} | {len(own)} |")
    return folded("Ablation on Beauty: what each ingredient brings", lines)


def folded(summary: str, lines: list[str]) -> list[str]:
    """A long table behind what it says."""
    return ['<details markdown="1">', f"<summary>{summary}</summary>", "", *lines, "", "</details>"]


def reached(runs: list[dict[str, Any]]) -> list[str]:
    """Items nobody clicked, users never seen, items of which part is missing."""
    lines = ["| question | set, seed | figures |", "|---|---|---|"]
    for run in runs:
        about = f"{run['set']}, {run['seed']}"
        if run["question"] == "cold":
            content = ", ".join(f"{name} {figure:.4f}" for name, figure in run["content_neighbours"].items())
            known = run["known_items_ndcg@10"]
            among = "recall@20 of new items among themselves"
            lines.append(
                f"| {run['new_items']} new items | {about} | Recall@20 among themselves {run[among]:.4f}: "
                f"{run['times_chance']:.1f} times chance, {run['times_best_content_neighbours']:.2f} times the best "
                f"of what is nearest by content ({content}); among all items "
                f"{run['recall@20 of new items among all']:.4f}; known items' NDCG@10 "
                f"{known['new ones let in']:.4f} beside them, {known['new ones shut out']:.4f} without: "
                f"{run['known_items_lose']:.1%} lost |"
            )
        elif run["question"] == "strangers":
            curve = run["ndcg@10 by events known"]
            said = "; ".join(
                f"{n} known: {one['strangers']:.4f} against {one['trained']:.4f}, "
                f"ratio {one['ratio']:.2f} ± {one['standard_error_of_ratio']:.2f}"
                for n, one in curve.items()
            )
            lines.append(f"| strangers against trained users, NDCG@10 by events known | {about} | {said} |")
        else:
            whole, holed = run["ndcg@10"]["whole"], run["ndcg@10"]["30 % missing"]
            figure = f"NDCG@10 {holed:.4f} against {whole:.4f}: {run['kept']:.1%} kept"
            lines.append(f"| 30 % of each modality missing | {about} | {figure} |")
    return lines


def compared(name: str, run: dict[str, Any]) -> list[str]:
    """All recommenders on one set: the last line of `mmreco compare`, best of the first protocol first."""
    parts = {run["protocol"]: run}
    parts |= {key: part for key, part in run.items() if isinstance(part, dict) and "users" in part}
    heads = (f"{protocol}, {part['users']:,} users | fit, s | users a second" for protocol, part in parts.items())
    head = " | ".join(heads)
    lines = [f"| {name}, NDCG@10 | {head} |", "|---" + "|---" * 3 * len(parts) + "|"]
    for model in sorted(run["models"], key=lambda model: -run["models"][model]["ndcg@10"]):
        cells = []
        for part in parts.values():
            of = part["models"].get(model)
            if of is None:
                cells += ["", "", ""]
                continue
            low, high = of["interval"]
            cells += [f"{of['ndcg@10']:.4f} ({low:.4f} to {high:.4f})", f"{of['fit_seconds']:,.1f}"]
            cells.append(f"{of['users_per_second']:,.0f}")
        lines.append(f"| {model} | {' | '.join(cells)} |")
    best = ", ".join(lines[row].split(" | ")[0].strip("| ") for row in range(2, min(5, len(lines))))
    return folded(f"All models on {name}; the best by {next(iter(parts))}: {best}", lines)


def beside(run: dict[str, Any]) -> list[str]:
    """Ours and the best of each independent implementation's runs: the file of `independent.py`."""
    lines = ["| NDCG@10, last item held out | on | ours | seeds | theirs | | ours to theirs |", "|---" * 7 + "|"]
    for model, of in run.items():
        ours, theirs = spread(of["ours"]), spread(of[of["best_peer"]])
        ratio = f"{of['ours_to_best_peer']:.3f}"
        who = of["best_peer"].replace("passes", "epochs")
        lines.append(f"| {model} | {of['on']} | {ours} | {len(of['ours'])} | {theirs} | {who} | {ratio} |")
    ratios = [of["ours_to_best_peer"] for of in run.values()]
    return folded(
        f"{len(run)} models beside independent implementations: {min(ratios):.2f} to {max(ratios):.2f} times theirs",
        lines,
    )


def cost(run: dict[str, Any]) -> list[str]:
    """What a pass takes beside a plain loop: the file of `speed.py`."""
    lines = [
        "| Beauty, ids alone, one thread | s an epoch | targets a second | peak, MiB | best validation | at epoch |",
        "|---" * 6 + "|",
    ]
    for dim, of in run["speed"].items():
        for way, name in (("ours", "SharedSpace"), ("plain", f"plain loop, {of['times']:.1f} times as long")):
            one = of[way]
            lines.append(
                f"| {dim}: {name} | {one['seconds_a_pass']:.1f} | {one['targets_a_second']:,} | "
                f"{one['peak_mebibytes']:,} | {one['best_validation_ndcg@10']:.4f} | "
                f"{one['at_pass']} of {len(one['validation_ndcg@10'])} |"
            )
    return lines


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if the page is behind")
    asked = parser.parse_args()
    sets: dict[str, list[dict[str, Any]]] = {}
    for run in kept(asked.results, "*.json"):
        if "refit" in run:
            sets.setdefault(run["set"], []).append(run)
    parts = [rows_of(name, runs) for name, runs in sets.items()]
    ablation = kept(asked.results, "ablation-*.json")
    parts += [ablations(ablation, sets.get("beauty", []))] if ablation else []
    questions = [run for run in kept(asked.results, "*.json") if "question" in run]
    parts += [reached(questions)] if questions else []
    parts += [cost(run) for run in kept(asked.results, "speed.json")]
    parts += [beside(run) for run in kept(asked.results, "independent.json")]
    for path in sorted(asked.results.glob("compare-*.json")):
        parts.append(compared(path.stem.partition("-")[2], json.loads(path.read_text(encoding="utf-8"))))
    made = "\n\n".join("\n".join(part) for part in parts)
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"
    if asked.check:
        return int(wanted != page)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
