"""Figures of README and Results: each comes from a result file, and has the command that wrote it beside it."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "README.zh.md", "docs/results.md", "docs/zh/results.md"]


def loaded(name: str) -> Any:
    """A script of `benchmarks/` as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


figures, sources = loaded("figures"), loaded("sources")


def column(page: str, name: str) -> list[str]:
    """The cells below every heading of this name, bold or not."""
    cells, place = [], None
    for line in page.splitlines():
        row = [cell.strip().replace("*", "") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not row:
            place = None
        elif place is None:
            place = row.index(name) if name in row else -1
        elif place >= 0 and not set(row[place]) <= set("-: "):
            cells.append(row[place])
    return cells


def in_english(cells: list[str]) -> list[str]:
    """Cells of a Chinese page with the words between their numbers in English."""
    return [cell.replace(" 倍", " times").replace(" 到 ", " to ") for cell in cells]


@pytest.mark.parametrize("page", PAGES)
def test_published_figures_are_those_of_the_result_files(page: str) -> None:
    computed = {figure() for figure in figures.FIGURES.values()}
    published = in_english(column((ROOT / page).read_text(encoding="utf-8"), "mmreco"))
    assert published
    assert [cell for cell in published if cell not in computed] == []


def of_files() -> frozenset[str]:
    """The numbers that the result files give, as README and Results write them."""
    given = (figures.FIGURES, figures.SECONDS, figures.BESIDE)
    shown = [figure() for group in given for figure in group.values()]
    return frozenset(number for figure in shown for number in re.findall(r"\d[\d,]*(?:\.\d+)?", figure))


@pytest.mark.parametrize("page", PAGES)
def test_every_figure_has_a_source(page: str) -> None:
    assert sources.untraced((ROOT / page).read_text(encoding="utf-8"), of_files()) == []


def test_every_figure_of_the_benchmarks_has_a_source() -> None:
    """Every section names its result files: `python benchmarks/sources.py docs/benchmarks.md`."""
    assert sources.untraced((ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")) == []


def test_what_is_left_of_people_on_a_real_log_has_a_source() -> None:
    page = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    (section,) = [text for heading, _, text in sources.sections(page) if heading == "On Amazon Beauty"]
    assert len(sources.figures(section)) >= 16
    assert sources.untraced(section) == []


def test_every_section_of_the_benchmarks_with_files_has_a_command() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    named = [(heading, text) for heading, patterns, text in sources.sections(page) if patterns]
    assert len(named) >= 10
    assert [h for h, text in named if not re.search(r"`[^`]*(?:benchmarks/\S+\.py|mmreco |make )[^`]*`", text)] == []


def test_models_side_by_side_are_those_of_their_files() -> None:
    """The table of all models: each cell is the figure of its model on its log."""
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    logs = {
        "retailer, new": ("retail", "new ndcg@10"),
        "retailer, repeats": ("retail", "all ndcg@10"),
        "Ta-Feng, next basket": ("tafeng", "all ndcg@10"),
        "MovieLens by time": ("ml_time", "new ndcg@10"),
        "MovieLens, last item": ("ml_last", "new ndcg@10"),
        "synthetic, last event": ("synthetic_last", "new ndcg@10"),
        "synthetic by time": ("synthetic_time", "new ndcg@10"),
    }
    models = [cell.strip("`") for cell in column(page, "model")]
    for heading, (log, figure) in logs.items():
        for model, cell in zip(models, column(page, heading), strict=True):
            if cell != "–":
                kept = figures.kept(f"shop-{log}-{model}-0", figure)
                assert abs(float(cell) - kept) <= 0.0005 + 1e-9, f"{model}, {heading}: {cell}, the file has {kept}"


def test_a_figure_without_a_source_is_found() -> None:
    page = "# Page\n\n{}\n\n## Section\n\n<!-- from: speed.json -->\n\n{}\n"
    assert sources.untraced(page.format("nothing", "5.13 times as fast, targets a second: 26,172 s")) == []
    assert sources.untraced(page.format("0.4242", "nothing")) == ["Page: 0.4242"]
    assert sources.untraced(page.format("nothing", "5.14 times, 1 to 2 s")) == [
        "Section: 5.14",
        "Section: 1",
        "Section: 2",
    ]
    assert sources.untraced(page.format("`0.4242`, Python 3.11, 1000 x 1000, 2,000 items", "0.0682")) == []
    assert sources.untraced(page.format("0.4242", "x"), frozenset({"0.4242"})) == []
    with pytest.raises(FileNotFoundError, match=r"no result file nothing\.json"):
        sources.untraced("# Page\n\n<!-- from: nothing.json -->\n\n0.1\n")


@pytest.mark.parametrize(("page", "name"), [("docs/results.md", "seconds"), ("docs/zh/results.md", "秒")])
def test_seconds_beside_a_command_are_those_of_the_result_files(page: str, name: str) -> None:
    computed = {figure() for figure in figures.SECONDS.values()}
    cells = [cell for cell in column((ROOT / page).read_text(encoding="utf-8"), name) if cell]
    said = in_english(cells)
    assert len(said) >= 12
    assert [cell for cell in said if cell not in computed] == []


@pytest.mark.parametrize(("page", "name"), [("README.md", "command, seconds"), ("README.zh.md", "命令、秒")])
def test_every_command_of_the_readme_has_its_seconds(page: str, name: str) -> None:
    computed = {re.findall(r"[\d,]+ s", figure())[-1] for figure in figures.SECONDS.values()}
    cells = column((ROOT / page).read_text(encoding="utf-8"), name)
    said = [re.findall(r"[\d,]+ s", cell) for cell in cells if cell not in ("the same", "同上")]
    assert [seconds for seconds in said if len(seconds) != 1 or seconds[0] not in computed] == []


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("README.md", ["published"]),
        ("README.zh.md", ["已发表"]),
        ("docs/results.md", ["published", "beside", "nearest by content"]),
        ("docs/zh/results.md", ["已发表", "对照", "内容最近邻"]),
    ],
)
def test_figures_beside_ours_are_published_or_those_of_the_result_files(page: str, names: list[str]) -> None:
    known = {figure() for figure in figures.BESIDE.values()} | set(sources.PUBLISHED)
    cells = [cell for name in names for cell in column((ROOT / page).read_text(encoding="utf-8"), name)]
    assert len(cells) >= 5
    assert [cell for cell in cells if re.split(r"[ （(]", cell)[0] not in known] == []


def test_both_languages_publish_the_same() -> None:
    for english, chinese in (("README.md", "README.zh.md"), ("docs/results.md", "docs/zh/results.md")):
        there, here = ((ROOT / page).read_text(encoding="utf-8") for page in (english, chinese))
        assert column(there, "mmreco") == in_english(column(here, "mmreco"))


def test_the_plots_of_quality_and_cost_are_those_of_the_result_files(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, ROOT / "benchmarks" / "plot.py", "--out", tmp_path], check=False)
    assert done.returncode == 0
    for name in ("quality-beauty.svg", "cost.svg"):
        assert (tmp_path / name).read_bytes() == (ROOT / "docs/plots" / name).read_bytes()


def test_plots_follow_the_readers_colour_scheme() -> None:
    plots = sorted((ROOT / "docs" / "plots").glob("*.svg"))
    shown = "".join((ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("results.md", "log.md"))
    assert [plot.name for plot in plots if f"(plots/{plot.name})" not in shown] == []
    assert {plot.stem.partition("-")[0] for plot in plots} == {"quality", "cost", "recall"}
    assert [plot.name for plot in plots if "prefers-color-scheme: dark" not in plot.read_text(encoding="utf-8")] == []


def test_a_wrong_cell_is_found() -> None:
    assert column("| a | mmreco |\n|---|---|\n| x | **0.5** |\n\nprose\n| b |\n|---|\n| 1 |\n", "mmreco") == ["0.5"]
