"""A numpydoc docstring as Markdown: prose, then parameters, errors and the like as lists, then examples as code."""

import inspect
import re

__all__ = ["first_line", "markdown"]

FIELDS = {"Parameters", "Attributes", "Returns", "Yields", "Raises"}


def first_line(value: object) -> str:
    """The first sentence of a docstring, fit for a cell of a table."""
    text = inspect.cleandoc(getattr(value, "__doc__", None) or "")
    return text.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def markdown(value: object) -> list[str]:
    """The lines of a docstring."""
    lines: list[str] = []
    for heading, body in _sections(inspect.cleandoc(getattr(value, "__doc__", None) or "")):
        if not body:
            continue
        if heading == "Examples":
            lines += ["", "```pycon", *body, "```"]
        elif heading in FIELDS:
            lines += ["", f"**{heading}**", "", *_fields(body)]
        else:
            lines += ["", *_prose(body)]
    return lines[1:]


def _sections(text: str) -> list[tuple[str, list[str]]]:
    """The sections of a docstring; the first has no heading."""
    lines = text.splitlines()
    sections: list[tuple[str, list[str]]] = [("", [])]
    skip = False
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        if skip:
            skip = False
        elif re.fullmatch(r"[A-Z]\w+", line) and re.fullmatch(r"-{3,}", following):
            sections.append((line, []))
            skip = True
        else:
            sections[-1][1].append(line)
    return [(heading, "\n".join(body).strip("\n").splitlines()) for heading, body in sections]


def _prose(body: list[str]) -> list[str]:
    """Paragraphs as they are; what follows `::` is code."""
    lines, code = [], False
    for line in body:
        if code and line and not line.startswith(" "):
            lines[-1:] = ["```", ""] if not lines[-1] else [lines[-1], "```", ""]
            code = False
        if line.rstrip().endswith("::") and not code:
            lines += [line.rstrip()[:-1] if line.strip() != "::" else "", "", "```text"]
            code = True
        elif not (code and lines[-1] == "```text" and not line):
            lines.append(line[4:] if code else line)
    return [*lines, "```"] if code else lines


def _fields(body: list[str]) -> list[str]:
    """`name : what` and its indented description, an item of a list each."""
    items: list[tuple[str, str, list[str]]] = []
    for line in body:
        if line and not line.startswith(" "):
            name, _, kind = line.partition(" : ")
            items.append((name.strip(), kind.strip(), []))
        elif items:
            items[-1][2].append(line.strip())
    lines = []
    for name, kind, said in items:
        each = [one.strip() for one in re.split(r",\s*|\s+or\s+", name)]
        names = ", ".join(f"`{one}`" for one in each) if all(re.fullmatch(r"[\w.*]+", one) for one in each) else name
        meaning = " ".join(said).strip()
        head = f"- {names}" + (f": {kind}" if kind else "")
        joint = "" if not meaning else ("; " if kind and meaning[0].islower() else ". " if kind else ": ")
        lines.append(head + (joint if not head.endswith((".", "?")) else " ") + meaning)
    return lines
