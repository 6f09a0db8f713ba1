"""The floors: a room imports lower floors only. Read from the syntax trees, imports inside functions included.

A room is a file or a package directly below `mmreco/`. Imports under `TYPE_CHECKING` count like any other:
who names another room's types knows that room. Inside a room files may import one another, without cycles.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "mmreco"

FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"errors"}),
    frozenset({"arrays", "prefetch", "progress"}),
    frozenset({"arguments"}),
    frozenset({"storage", "tables"}),
    frozenset({"data"}),
    frozenset({"protocols"}),
    frozenset({"splitting", "filters", "text"}),
    frozenset({"nn", "metrics"}),
    frozenset({"index"}),
    frozenset({"encoders"}),
    frozenset({"embedding", "detection"}),
    frozenset({"datasets"}),
    frozenset({"models"}),
    frozenset({"retrieval"}),
    frozenset({"evaluation"}),
    frozenset({"baskets", "profiles", "rerank", "explain", "questions"}),
    frozenset({"pages"}),
    frozenset({"live"}),
    frozenset({"recommender"}),
    frozenset({"report"}),
    frozenset({"service"}),
    frozenset({"distributed"}),
    frozenset({"demo"}),
    frozenset({"testing"}),
    frozenset({"cli"}),
    frozenset({"__init__", "__main__"}),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# Where a third party is at home: nowhere else may it be imported.
HOMES = {
    "faiss": ("index",),
    **dict.fromkeys(("fastapi", "starlette", "pydantic", "uvicorn", "sqlalchemy", "prometheus_client"), ("service",)),
    "jieba": ("text.segmentation",),
    "jinja2": ("pages", "service.window"),
    "joblib": ("evaluation.benchmark",),  # its processes; its files are pickles and stay out
    "rjieba": ("text.segmentation",),
    "markupsafe": ("pages", "service.window"),
    "narwhals": ("tables", "data"),
    "opacus": ("models.private_svd",),
    "optuna": ("evaluation",),
    "PIL": ("encoders.image", "detection", "datasets.synthetic", "demo", "report"),
    "grpc": ("index.milvus",),
    "pymilvus": ("index.milvus",),
    "pyversity": (),  # a reference in tests and benchmarks
    "rich": ("cli",),
    "sentence_transformers": ("encoders",),
    "timm": ("encoders.image",),
    "torchvision": ("encoders.image", "detection"),
    "transformers": ("encoders",),
    "tqdm": ("progress",),
    "typer": ("cli",),
    "pickle": ("testing.models",),  # to prove that a model travels to another process; no file is one
    **dict.fromkeys(("cPickle", "marshal", "shelve", "dill", "cloudpickle"), ()),
}
# What `nn` works on: tensors; it knows neither ids nor files.
NN_MAY = {"errors", "arrays", "progress", "nn"}


@dataclass(frozen=True)
class Import:
    source: str  # "data.ids"; the package's own file is "__init__"
    target: str  # "errors" inside mmreco, "numpy" outside
    inside: bool  # of mmreco
    deferred: bool  # inside a function, or for type checkers only
    line: int


def trees(package: Path) -> dict[str, ast.Module]:
    """Each module's name inside the package, e.g. "data.ids", and its syntax tree."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def imports(modules: Mapping[str, ast.Module], package: Path) -> list[Import]:
    """Every import of every module; what `from mmreco.x import y` names is the module y where there is one."""
    out = []
    for source, tree in modules.items():
        folder = (package / Path(*source.split("."))).is_dir()
        for node, deferred in _walk(tree, False):
            for target in _targets(node, source, folder):
                inside = target == "mmreco" or target.startswith("mmreco.")
                name = target.removeprefix("mmreco").removeprefix(".") if inside else target
                while inside and name and name not in modules:
                    name = name.rpartition(".")[0]  # a name inside a module
                out.append(Import(source, (name or "__init__") if inside else name, inside, deferred, node.lineno))
    return out


def _walk(node: ast.AST, deferred: bool) -> Iterator[tuple[ast.stmt | ast.Call, bool]]:
    for child in ast.iter_child_nodes(node):
        below = deferred or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            below = True
        if isinstance(child, (ast.Import, ast.ImportFrom, ast.Call)):
            yield child, deferred
        yield from _walk(child, below)


def _targets(node: ast.stmt | ast.Call, source: str, folder: bool) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:  # relative: from the module's own package upwards
            own = [] if source == "__init__" else source.split(".")
            here = own if folder or source == "__init__" else own[:-1]
            here = here[: len(here) - (node.level - 1)]
            base = ".".join(["mmreco", *here, *([base] if base else [])])
        return [f"{base}.{alias.name}" if base.partition(".")[0] == "mmreco" else base for alias in node.names]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
            return [node.args[0].value]
    return []


def violations(package: Path) -> list[str]:
    """What breaks the picture, a line each; empty when all is well."""
    modules = trees(package)
    found = [f"{name}: a room that is on no floor" for name in modules if name.partition(".")[0] not in FLOOR]
    every = imports(modules, package)
    for one in every:
        source, target = one.source.partition(".")[0], one.target.partition(".")[0]
        where = f"{one.source}:{one.line} imports {one.target}"
        if not one.inside:
            homes = HOMES.get(target)
            if homes is not None and not any(
                one.source == h or one.source.startswith((h + ".", h + "_")) for h in homes
            ):
                found.append(f"{where}: {target} is at home in {' and '.join(homes) or 'no file'}")
            continue
        if source not in FLOOR or target not in FLOOR or source == target != "__init__":
            continue
        if source == "__init__":
            if not one.deferred:
                found.append(f"{where}: names of mmreco load on first use")
        elif FLOOR[target] > FLOOR[source]:
            found.append(f"{where}: a higher floor")
        elif FLOOR[target] == FLOOR[source]:
            found.append(f"{where}: another room of the same floor")
        elif source == "nn" and target not in NN_MAY:
            found.append(f"{where}: nn knows tensors only")
    return found + circles(every)


def circles(every: list[Import]) -> list[str]:
    """Circles among the files of a room."""
    edges: dict[str, set[str]] = {}
    for one in every:
        if one.inside and one.source != "__init__" and one.source != one.target:
            edges.setdefault(one.source, set()).add(one.target)
    found, done = [], set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            found.append("circle: " + " -> ".join([*trail[trail.index(name) :], name]))
            return
        if name in done:
            return
        for target in sorted(edges.get(name, ())):
            visit(target, (*trail, name))
        done.add(name)

    for name in sorted(edges):
        visit(name, ())
    return found


# ---- the house


def test_rooms_import_lower_floors_only() -> None:
    assert violations(PACKAGE) == []


def test_the_picture_is_read_at_all() -> None:
    every = imports(trees(PACKAGE), PACKAGE)
    assert any(one.source == "models.base" and one.target == "data.ranking" for one in every)
    assert any(one.source == "data.catalogue" and one.target == "tables.items" for one in every)
    assert any(one.target == "numpy" and not one.inside for one in every)


def test_no_drawer_for_odds_and_ends() -> None:
    named = {part for path in PACKAGE.rglob("*.py") for part in path.relative_to(PACKAGE).with_suffix("").parts}
    assert named.isdisjoint({"utils", "util", "common", "helpers", "misc", "core"})


def test_half_of_the_files_are_short() -> None:
    lengths = sorted(path.read_text(encoding="utf-8").count("\n") for path in PACKAGE.rglob("*.py"))
    assert lengths[len(lengths) // 2] < 150


# ---- the checker itself, on planted houses


def house(folder: Path, **files: str) -> Path:
    """A package with these files, e.g. `data__ids="import os"` for `data/ids.py`."""
    package = folder / "mmreco"
    for name, text in files.items():
        path = package / Path(*([name] if name == "__init__" else name.split("__"))).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return package


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"errors": "", "arrays": "from mmreco.errors import X"}, None),
        ({"errors": "from mmreco import arrays", "arrays": ""}, "errors:1 imports arrays: a higher floor"),
        (
            {"data__ids": "def f():\n    import mmreco.index.vector", "index__vector": ""},
            "data.ids:2 imports index.vector",
        ),
        ({"data__ids": "from ..models import S", "models": ""}, "data.ids:1 imports models: a higher floor"),
        ({"data__ids": "from . import rows", "data__rows": ""}, None),
        ({"nn__loop": "from mmreco.metrics.ndcg import T", "metrics__ndcg": ""}, "another room of the same floor"),
        ({"nn__loop": "from mmreco.metrics import ndcg", "metrics__ndcg": ""}, "nn.loop:1 imports metrics.ndcg"),
        (
            {
                "data__a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mmreco.cli import app",
                "cli": "",
            },
            "data.a:3 imports cli: a higher floor",
        ),
        ({"data__a": "import importlib\nimportlib.import_module('mmreco.cli')", "cli": ""}, "a higher floor"),
        (
            {"data__a": "from mmreco.data import b", "data__b": "import mmreco.data.a"},
            "circle: data.a -> data.b -> data.a",
        ),
        ({"data__a": "from mmreco.data import b", "data__b": "def f():\n    from mmreco.data.a import A"}, "circle"),
        ({"cellar": ""}, "cellar: a room that is on no floor"),
        (
            {"errors": "", "cli": "from mmreco import __version__", "__init__": ""},
            "cli:1 imports __init__: a higher floor",
        ),
        ({"__init__": "from mmreco.errors import DataError", "errors": ""}, "names of mmreco load on first use"),
        ({"__init__": "def f():\n    from mmreco.errors import DataError", "errors": ""}, None),
        ({"nn__loop": "from mmreco.data.ids import IdMap", "data__ids": ""}, "nn knows tensors only"),
        ({"models__als": "import faiss"}, "faiss is at home in index"),
        ({"index__vector": "import faiss"}, None),
        ({"data__ids": "def f():\n    import pickle"}, "pickle is at home in testing.models"),
        ({"data__ids": "import dill"}, "dill is at home in no file"),
        ({"encoders__image__decoding": "from PIL import Image"}, None),
        ({"encoders__text": "from PIL import Image"}, "PIL is at home in"),
    ],
)
def test_the_checker_sees_planted_violations(tmp_path: Path, files: dict[str, str], said: str | None) -> None:
    found = violations(house(tmp_path, **files))
    if said is None:
        assert found == []
    else:
        assert any(said in line for line in found), found
