"""Figures of README and Results: every cell of a column "mmreco" is one that the result files give."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "README.zh.md", "docs/results.md", "docs/zh/results.md"]

spec = importlib.util.spec_from_file_location("figures", ROOT / "benchmarks" / "figures.py")
assert spec is not None
assert spec.loader is not None
figures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(figures)


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


@pytest.mark.parametrize("page", PAGES)
def test_published_figures_are_those_of_the_result_files(page: str) -> None:
    computed = {figure() for figure in figures.FIGURES.values()}
    published = column((ROOT / page).read_text(encoding="utf-8"), "mmreco")
    assert published
    assert [cell for cell in published if cell not in computed] == []


@pytest.mark.parametrize(("page", "name"), [("docs/results.md", "seconds"), ("docs/zh/results.md", "秒")])
def test_seconds_beside_a_command_are_those_of_the_result_files(page: str, name: str) -> None:
    computed = {figure().removesuffix(" to build").replace(" to ", " 到 ") for figure in figures.SECONDS.values()}
    cells = [cell for cell in column((ROOT / page).read_text(encoding="utf-8"), name) if cell]
    said = [cell.removesuffix(" to build").removeprefix("建图 ").replace(" to ", " 到 ") for cell in cells]
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
    table = (ROOT / "benchmarks" / "quality" / "table.py").read_text(encoding="utf-8")
    known = {figure() for figure in figures.BESIDE.values()} | set(re.findall(r"\b0\.\d{4}\b", table))
    cells = [cell for name in names for cell in column((ROOT / page).read_text(encoding="utf-8"), name)]
    assert len(cells) >= 5
    assert [cell for cell in cells if re.split(r"[ （(]", cell)[0] not in known] == []


def test_both_languages_publish_the_same() -> None:
    for english, chinese in (("README.md", "README.zh.md"), ("docs/results.md", "docs/zh/results.md")):
        there, here = ((ROOT / page).read_text(encoding="utf-8") for page in (english, chinese))
        assert column(there, "mmreco") == column(here, "mmreco")


def test_the_plots_of_quality_and_cost_are_those_of_the_result_files(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, ROOT / "benchmarks" / "plot.py", "--out", tmp_path], check=False)
    assert done.returncode == 0
    for name in ("quality-beauty.svg", "cost.svg"):
        assert (tmp_path / name).read_bytes() == (ROOT / "docs/plots" / name).read_bytes()


def test_plots_follow_the_readers_colour_scheme() -> None:
    plots = sorted((ROOT / "docs" / "plots").glob("*.svg"))
    shown = "".join((ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("results.md", "benchmarks.md"))
    assert [plot.name for plot in plots if f"(plots/{plot.name})" not in shown] == []
    assert {plot.stem.partition("-")[0] for plot in plots} == {"quality", "cost", "recall"}
    assert [plot.name for plot in plots if "prefers-color-scheme: dark" not in plot.read_text(encoding="utf-8")] == []


def test_a_wrong_cell_is_found() -> None:
    assert column("| a | mmreco |\n|---|---|\n| x | **0.5** |\n\nprose\n| b |\n|---|\n| 1 |\n", "mmreco") == ["0.5"]
