"""Writes docs/api.md and docs/reference/ from the docstrings; with --check only says whether they are up to date."""

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from importlib import import_module
from pathlib import Path

from docstrings import first_line, markdown
from signatures import signature

import mmreco

DOCS = Path(__file__).parent.parent / "docs"
CONSTANTS = {"MODELS": "Every model, by name."}


@dataclass(frozen=True)
class Room:
    """A page of the reference: its file, its title, what it is about."""

    file: str
    title: str
    about: str


# The modules a user imports from, below `mmreco`.
MODULES = {
    "recommender": "recommender data.answer",
    "data": """
        data.dataset data.catalogue data.interactions data.reviews data.users data.attributes data.embeddings data.ids
        data.request data.ranking data.boxes splitting filters text.title_tokens datasets.amazon datasets.movielens
        datasets.recbole datasets.s3rec datasets.synthetic.shop storage.artefact storage.signature""",
    "encoders": """
        encoders.text.lexical encoders.text.encoder encoders.text.static encoders.text.tuning
        encoders.text.cross_encoder encoders.image.encoder encoders.image.tuning encoders.image.projection
         encoders.image.worded encoders.behaviour
        encoders.registry detection.detector embedding.embed
        embedding.partition embedding.sources embedding.fetching embedding.review_blend distributed.embedding
        distributed.training""",
    "models": "models",
    "vector-index": "index.vector index.batching index.milvus.index",
    "retrieval": """
        retrieval.content_index retrieval.hybrid retrieval.lexical retrieval.fusion retrieval.facets retrieval.suggest
        questions.answers questions.aspects questions.polarity""",
    "evaluation": """
        evaluation evaluation.off_policy evaluation.simulator evaluation.assignment evaluation.exploration
        evaluation.interleaving evaluation.proportions metrics""",
    "pages": "pages pages.layout pages.logs explain rerank baskets profiles",
    "serving": """
        service.server service.app service.live_shop service.events service.keys service.limits service.refitting
        distributed.serving""",
    "protocols": "protocols errors testing.models testing.encoders testing.indexes",
}
ROOMS = (
    Room("recommender", "Recommender", "Ids in, ids out: the class to begin with. [Start](../start.md) uses it."),
    Room("data", "Data", "Tables in; catalogues, logs and requests out. See [your tables](../guides/tables.md)."),
    Room("encoders", "Encoders", "Content to vectors. See [embedding a catalogue](../guides/embedding.md)."),
    Room("models", "Models", "Histories to rankings. See [choosing a model](../guides/choosing-a-model.md)."),
    Room("vector-index", "Index", "The items nearest to a vector. See [scaling](../guides/scaling.md)."),
    Room("retrieval", "Search", "Words and meanings. See [search](../search.md)."),
    Room("evaluation", "Evaluation", "How good, and is it noise? See [evaluation](../guides/evaluation.md)."),
    Room("pages", "Pages and profiles", "What stands on a ranking. See [pages](../pages.md)."),
    Room("serving", "Serving", "The service in Python. See [serving](../serving.md)."),
    Room("protocols", "Protocols and errors", "For authors of models, encoders and indexes."),
)


def names(room: Room) -> dict[str, tuple[str, object]]:
    """The public names of a room, each with the module one imports it from, in the order of its modules."""
    found: dict[str, tuple[str, object]] = {}
    for module in MODULES[room.file].split():
        home = import_module(f"mmreco.{module}")
        for name in home.__all__:
            value = getattr(home, name)
            owner = getattr(value, "__module__", home.__name__)
            if name not in found and owner.startswith("mmreco"):
                found[name] = ("mmreco" if name in mmreco.__all__ else home.__name__, value)
    return found


def members(value: type, public: set[object]) -> Iterator[tuple[str, object, bool]]:
    """The public methods and properties that a class defines, with those of bases that have no entry of their own."""
    seen = set()
    for owner in value.__mro__:
        if owner.__module__.startswith("mmreco") and (owner is value or owner not in public):
            for name, member in vars(owner).items():
                getter = getattr(member, "fget", None) or getattr(member, "func", None)
                plain = getter or getattr(member, "__func__", member)
                if not name.startswith("_") and name not in seen and inspect.isfunction(plain):
                    seen.add(name)
                    yield name, plain, getter is not None


def source(value: object) -> str:
    """The file a name is defined in, below the root of the repository."""
    module = getattr(value, "__module__", "mmreco")
    path = Path(sys.modules[module].__file__ or "")
    return path.relative_to(Path(mmreco.__file__).parent.parent).as_posix()


def entry(name: str, home: str, value: object, public: set[object]) -> list[str]:
    """A name's part of its page."""
    lines = ["", f"## {name}", ""]
    if name in CONSTANTS or not (inspect.isclass(value) or inspect.isfunction(value)):
        return [*lines, f"`from {home} import {name}`", "", CONSTANTS.get(name, "A constant or type.")]
    lines += ["```py", f"from {home} import {name}", "", called(name, value), "```", "", *markdown(value)]
    lines += ["", f"Source: `{source(value)}`"]
    if inspect.isclass(value) and not issubclass(value, Exception):
        bases = [base for base in value.__mro__[1:] if base in public]
        if bases:
            linked = ", ".join(f"[{base.__name__}](#{slug(base.__name__)})" for base in bases)
            lines += ["", f"Methods of {linked}, and:" if any(members(value, public)) else f"Methods of {linked}."]
        for member, function, is_property in members(value, public):
            call = f"{name}.{member}" if is_property else signature(f"{name}.{member}", function)
            lines += ["", f"### {name}.{member}", "", "```py", call, "```", "", *markdown(function)]
    return lines


def called(name: str, value: object) -> str:
    """How one calls it. A class that is made by its class methods, and an error, have their name alone."""
    if inspect.isfunction(value):
        return signature(name, value)
    if issubclass(value, Exception):  # type: ignore[arg-type]
        return f"class {name}({value.__mro__[1].__name__})"  # type: ignore[attr-defined]
    made = is_dataclass(value) or "\nParameters\n" in inspect.cleandoc(value.__doc__ or "")
    return f"class {signature(name, value)}" if made else f"class {name}"


def slug(heading: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def pages() -> dict[str, str]:
    """Every page of the reference, by its path below docs/."""
    found = {}
    index = ["# Every public name", "", "Written by `tools/api_page.py` from the docstrings."]
    for room in ROOMS:
        listed = names(room)
        public = {value for _, value in listed.values() if inspect.isclass(value)}
        lines = [f"# {room.title}", "", room.about]
        index += ["", f"## [{room.title}](reference/{room.file}.md)", "", "| name | what it is |", "|---|---|"]
        for name, (home, value) in listed.items():
            said = CONSTANTS.get(name) or (first_line(value) if callable(value) else "a constant or type")
            index.append(f"| [`{name}`](reference/{room.file}.md#{slug(name)}) | {said} |")
            lines += entry(name, home, value, public)
        found[f"reference/{room.file}.md"] = "\n".join(lines) + "\n"
    return {"api.md": "\n".join(index) + "\n", **found}


if __name__ == "__main__":
    late = []
    for path, text in pages().items():
        target = DOCS / path
        if "--check" not in sys.argv:
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
        elif not target.exists() or target.read_text(encoding="utf-8") != text:
            late.append(f"docs/{path}")
    if late:
        sys.exit(f"out of date: {', '.join(late)}; run: python tools/api_page.py")
