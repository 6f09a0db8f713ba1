"""The documents are under test: their Python runs, their links lead somewhere, their lists are complete.

A page's ```python blocks run in order, in one namespace, in a folder with the tables and the artefact that Start makes.
A ```text block right after one is what it prints, exactly; a ```console block is what it printed once: as many lines,
and scores of about that size (they differ from machine to machine). ```sh, ```py and ```pycon blocks do not run here
(a shell, a hub, the doctests).
"""

import ast
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

import mmreco

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
START = DOCS / "start.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
WRITTEN = [page for page in PAGES if page.parent.name != "reference"]  # by hand
LOOKED_UP = {ROOT / "CHANGELOG.md", DOCS / "log.md"}
TRANSLATED = {page: DOCS / page.relative_to(DOCS / "zh") for page in sorted((DOCS / "zh").rglob("*.md"))} | {
    ROOT / "README.zh.md": ROOT / "README.md"
}
KINDS = {"python", "py", "pycon", "text", "console", "sh", "json"}


@dataclass(frozen=True)
class Block:
    kind: str
    text: str
    line: int
    adjacent: bool  # nothing but blank lines since the block before


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    lines = page.splitlines()
    kind, start, last = None, 0, -1
    for number, line in enumerate(lines):
        if kind is None and line.startswith("```"):
            kind, start = line[3:].strip(), number
        elif kind is not None and line.startswith("```"):
            between = lines[last + 1 : start] if found else ["x"]
            found.append(
                Block(kind, "\n".join(lines[start + 1 : number]), start + 1, not any(x.strip() for x in between))
            )
            kind, last = None, number
    assert kind is None, f"line {start + 1}: a block that never ends"
    return found


def prose(page: str) -> str:
    """A page without its code."""
    return re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)


def drifted(written: str, said: str) -> bool:
    """Whether one score in five or more is not within half as much again of what was written."""
    there, here = ([float(x) for x in re.findall(r"(?<![\w.-])\d+\.\d+", text)] for text in (written, said))
    far = sum(max(pair) > 1.5 * min(pair) for pair in zip(there, here, strict=False))
    return len(there) != len(here) or 5 * far >= max(1, len(there))


def run(page: str, name: str) -> list[str]:
    """Run a page's Python; what differs from what the page says, a line each."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    said, wrong = None, []
    for block in blocks(page):
        if block.kind == "python":
            output = io.StringIO()
            with redirect_stdout(output):
                exec(compile("\n" * block.line + block.text, name, "exec"), namespace)
            said = output.getvalue().rstrip("\n")
            continue
        if block.adjacent and said is not None:
            if block.kind == "text" and said != block.text.rstrip("\n"):
                wrong.append(f"line {block.line}: the page says\n{block.text}\nit printed\n{said}")
            if block.kind == "console" and said.count("\n") != block.text.rstrip("\n").count("\n"):
                wrong.append(f"line {block.line}: {block.text.count(chr(10)) + 1} lines; it printed\n{said}")
            elif block.kind == "console" and drifted(block.text, said):
                wrong.append(f"line {block.line}: scores of another size than\n{said}")
        said = None
    return wrong


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that Start leaves: items.parquet, events.parquet and artefact/, with what was wrong in it."""
    folder = tmp_path_factory.mktemp("start")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        wrong = run(START.read_text(encoding="utf-8"), START.name)
        (folder / "wrong.txt").write_text("\n".join(wrong), encoding="utf-8")
        yield folder


def code_of(page: Path) -> list[tuple[str, str]]:
    """The code of a page without comments, and what it prints."""
    found = []
    for block in blocks(page.read_text(encoding="utf-8")):
        text = block.text
        if block.kind in ("python", "py"):
            text = ast.dump(ast.parse(text))
        elif block.kind == "sh":
            text = re.sub(r"\s+#.*", "", text)
        found.append((block.kind, text))
    return found


@pytest.mark.parametrize("page", [page for page in WRITTEN if page not in TRANSLATED], ids=lambda p: p.name)
def test_the_python_of_a_page_runs(page: Path, started: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page == START:
        assert (started / "wrong.txt").read_text(encoding="utf-8") == ""
        return
    shutil.copytree(started, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    assert run(page.read_text(encoding="utf-8"), page.name) == []


@pytest.mark.parametrize("page", TRANSLATED, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_translation_has_the_same_headings_and_code(page: Path) -> None:
    here, there = page, TRANSLATED[page]
    assert code_of(here) == code_of(there)
    levels = [
        re.findall(r"^(#+) ", prose(path.read_text(encoding="utf-8")), flags=re.MULTILINE) for path in (here, there)
    ]
    assert levels[0] == levels[1]


def test_start_guides_and_results_are_there_in_chinese() -> None:
    there = {page.relative_to(DOCS / "zh").as_posix() for page in (DOCS / "zh").rglob("*.md")}
    site = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    wanted = re.findall(r'"([\w/-]+\.md)"', site.partition('"Start" =')[2].partition('"Concepts" =')[0])
    assert len(wanted) >= 13
    assert {*wanted, "results.md"} - there == set()


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert {b.kind for b in blocks(text)} <= KINDS
    assert not re.search(r"^(<<<<<<<|>>>>>>>) ", text, flags=re.MULTILINE), f"{page.name}: an unfinished merge"
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name}: {target} leads nowhere"
        assert not anchor or anchor in slugs(there), f"{page.name}: {there.name} has no heading {anchor}"


def test_every_public_name_stands_in_the_reference() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "api_page.py", "--check"], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    assert [name for name in mmreco.__all__ if f"[`{name}`]" not in text] == []


def test_every_name_that_a_page_imports_stands_in_the_reference() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    imported = set()
    for page in WRITTEN:
        for block in blocks(page.read_text(encoding="utf-8")):
            for node in ast.walk(ast.parse(block.text if block.kind in ("python", "py") else "")):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mmreco"):
                    imported |= {alias.name for alias in node.names}
    assert sorted(name for name in imported if f"[`{name}`]" not in text) == []


def test_every_page_is_reachable_from_the_readme() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = re.findall(r"\]\(([^)\s#]+\.md)", page.read_text(encoding="utf-8"))
        waiting += [(page.parent / target).resolve() for target in targets if not target.startswith("http")]
    assert [page.name for page in PAGES if page.resolve() not in seen] == []


def test_the_site_has_every_page() -> None:
    listed = set(re.findall(r'"([\w/-]+\.md)"', (ROOT / "zensical.toml").read_text(encoding="utf-8")))
    assert listed == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}


def test_every_extra_is_described() -> None:
    text = (DOCS / "install.md").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[project.optional-dependencies]")[2]
    extras = re.findall(r"^(\w+) = \[", project.partition("\n\n[")[0], flags=re.MULTILINE)
    assert [extra for extra in extras if f"| `{extra}` |" not in text] == []


def test_the_models_guide_says_of_each_when_not_to_use_it() -> None:
    for page in (DOCS / "guides", DOCS / "zh" / "guides"):
        text = (page / "choosing-a-model.md").read_text(encoding="utf-8")
        assert [name for name in mmreco.MODELS if f"\n| `{name}` |" not in text] == []


# ---- how it reads


def sentences(page: str) -> list[str]:
    """The sentences of a page's prose, cells of tables and items of lists among them; code counts as one word."""
    text = re.sub(r"`[^`]+`", "x", re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", prose(page)))
    text = re.sub(r"<[^>]+>", " ", text)
    parts = re.split(r"\n\s*\n|\n(?=\s*(?:[-*|#>]|\d+\.) ?)|(?<=\s)\|", text)
    found = [s for part in parts for s in re.split(r"(?<=[.?!])\s|[。？！]", " ".join(part.split()))]
    return [s.strip() for s in found if s.strip()]


def long_sentences(page: str) -> list[str]:
    """Sentences of more than 35 words, or of more than 90 Chinese characters; tables that a program writes aside."""
    page = re.sub(r"<!-- (.*?): begin -->.*?<!-- \1: end -->", "", page, flags=re.DOTALL)
    return [s for s in sentences(page) if len(s.split()) > 35 or len(re.findall(r"[\u4e00-\u9fff]", s)) > 90]


def bare_tables(page: str) -> list[str]:
    """The first rows of tables of more than 12 rows that no sentence and no <summary> stands before."""
    found, lines = [], page.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("|") and (not number or not lines[number - 1].startswith("|")):
            rows = next((i for i, later in enumerate(lines[number:]) if not later.startswith("|")), len(lines) - number)
            before = next((other for other in reversed(lines[:number]) if other.strip()), "")
            if rows - 2 > 12 and (not before or before.startswith(("#", "|", "```", "<!--", "!["))):
                found.append(line)
    return found


@pytest.mark.parametrize("page", [p for p in WRITTEN if p not in LOOKED_UP], ids=lambda p: str(p.relative_to(ROOT)))
def test_sentences_are_short(page: Path) -> None:
    assert long_sentences(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", [p for p in WRITTEN if p != DOCS / "api.md"], ids=lambda p: str(p.relative_to(ROOT)))
def test_long_tables_stand_behind_a_summary(page: Path) -> None:
    assert bare_tables(page.read_text(encoding="utf-8")) == []


# ---- the reader of pages itself


def test_long_sentences_and_bare_tables_are_found() -> None:
    assert long_sentences("word " * 36 + ".") != []
    assert long_sentences("word " * 20 + ". " + "word " * 20 + ".") == []
    assert long_sentences("字" * 91) != []
    assert long_sentences("<!-- t: begin -->" + "word " * 36 + "<!-- t: end -->") == []
    assert long_sentences("| " + "word " * 20 + " | " + "word " * 20 + " |") == []
    table = "| a |\n|---|\n" + "| 1 |\n" * 13
    assert bare_tables(f"# Heading\n\n{table}") == ["| a |"]
    assert bare_tables(f"What it shows.\n\n{table}") == []


def test_a_page_that_lies_is_found() -> None:
    page = "# A page\n\n```python\nx = 1\nprint(x)\nprint(2)\n```\n\n```{kind}\n{said}\n```\n"
    assert run(page.format(kind="text", said="1\n2"), "p") == []
    assert "it printed\n1\n2" in run(page.format(kind="text", said="1\n3"), "p")[0]
    assert run(page.format(kind="console", said="1\n3"), "p") == []
    assert "line 9: 1 lines" in run(page.format(kind="console", said="1"), "p")[0]
    assert not drifted("hat 0.90 | cap 0.80", "cap 0.95 | hat 0.70")
    assert drifted("hat 0.90 | cap 0.80", "hat 1.55 | cap 1.50")
    assert drifted("hat 0.90", "hat 0.90 | cap 0.80")
    with pytest.raises(ZeroDivisionError):
        run("```python\nx = 0\n```\ntext\n```python\n1 / x\n```\n", "p")


def test_the_quality_tables_are_those_of_the_kept_results():
    """Made by `python benchmarks/quality/table.py`."""
    done = subprocess.run([sys.executable, ROOT / "benchmarks" / "quality" / "table.py", "--check"], check=False)
    assert done.returncode == 0
