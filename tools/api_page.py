"""Writes docs/api.md from the docstrings; with --check only says whether it is up to date."""

import inspect
import sys
from pathlib import Path

import mmreco

CONSTANTS = {"MODELS": "Every model, by name."}
PAGE = Path(__file__).parent.parent / "docs" / "api.md"
ROOMS = {
    "mmreco.recommender": "The front door",
    "mmreco.data": "Data",
    "mmreco.splitting": "Data",
    "mmreco.storage": "Data",
    "mmreco.text": "Data",
    "mmreco.encoders": "Encoders",
    "mmreco.embedding": "Encoders",
    "mmreco.detection": "Search",
    "mmreco.retrieval": "Search",
    "mmreco.index": "Search",
    "mmreco.models.sharedspace": "Models",
    "mmreco.models": "Models",
    "mmreco.evaluation": "Evaluation",
    "mmreco.protocols": "Promises",
    "mmreco.errors": "Errors",
}


def first_line(value: object) -> str:
    """The first sentence of a docstring, fit for a table."""
    text = inspect.cleandoc(getattr(value, "__doc__", None) or "")
    return text.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def methods(value: type) -> list[tuple[str, object]]:
    """The public methods a class of ours, or a class of ours above it, defines."""
    found: dict[str, object] = {}
    for owner in value.__mro__:
        if owner.__module__.startswith("mmreco") and not getattr(owner, "_is_protocol", False):
            for name, member in vars(owner).items():
                plain = (
                    getattr(member, "__func__", None)
                    or getattr(member, "fget", None)
                    or getattr(member, "func", member)
                )
                if not name.startswith("_") and inspect.isfunction(plain):
                    found.setdefault(name, plain)
    return list(found.items())


def page() -> str:
    """The whole page."""
    lines = [
        "# Every public name",
        "",
        "Written by `tools/api_page.py` from the docstrings; `help(mmreco.Recommender)` and the like say more.",
    ]
    for heading in dict.fromkeys(ROOMS.values()):
        lines += ["", f"## {heading}", "", "| name | what it is |", "|---|---|"]
        for name in mmreco.__all__:
            room = next(r for r in ROOMS if mmreco._NAMES[name] == r or mmreco._NAMES[name].startswith(r + "."))
            if ROOMS[room] != heading:
                continue
            value = getattr(mmreco, name)
            lines.append(f"| `{name}` | {CONSTANTS.get(name) or first_line(value)} |")
            if inspect.isclass(value) and not issubclass(value, Exception):
                lines += [f"| `{name}.{method}` | {first_line(function)} |" for method, function in methods(value)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        if PAGE.read_text(encoding="utf-8") != page():
            sys.exit("docs/api.md is out of date: python tools/api_page.py")
    else:
        PAGE.write_text(page(), encoding="utf-8")
