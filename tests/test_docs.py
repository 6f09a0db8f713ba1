"""The documents are under test: their Python runs, their links lead somewhere, their lists are complete.

A page's ```python blocks run in order, in one namespace and an empty folder. A ```text block right after one is
what it prints, exactly; a ```console block is what it printed once, of which the number of lines is checked
(scores and seconds differ from machine to machine). ```sh and ```py blocks do not run here (a shell, a hub).
"""

import io
import re
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

import mmreco

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
KINDS = {"python", "py", "text", "console", "sh", "json"}


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
        said = None
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(page.read_text(encoding="utf-8"), page.name) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert {b.kind for b in blocks(text)} <= KINDS
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name}: {target} leads nowhere"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{page.name}: {there.name} has no heading {anchor}"


def test_every_public_name_stands_in_the_api_page() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "api_page.py", "--check"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert [name for name in mmreco.__all__ if f"`{name}`" not in text] == []


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


# ---- the reader of pages itself


def test_a_page_that_lies_is_found() -> None:
    page = "# A page\n\n```python\nx = 1\nprint(x)\nprint(2)\n```\n\n```{kind}\n{said}\n```\n"
    assert run(page.format(kind="text", said="1\n2"), "p") == []
    assert "it printed\n1\n2" in run(page.format(kind="text", said="1\n3"), "p")[0]
    assert run(page.format(kind="console", said="1\n3"), "p") == []
    assert "line 9: 1 lines" in run(page.format(kind="console", said="1"), "p")[0]
    with pytest.raises(ZeroDivisionError):
        run("```python\nx = 0\n```\ntext\n```python\n1 / x\n```\n", "p")


def test_the_quality_tables_are_those_of_the_kept_results():
    """Made by `python benchmarks/quality/table.py`."""
    done = subprocess.run([sys.executable, ROOT / "benchmarks" / "quality" / "table.py", "--check"], check=False)
    assert done.returncode == 0
