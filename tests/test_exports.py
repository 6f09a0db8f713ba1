"""What users may name: the list, that every name is there, and that every name is described as promised."""

import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import mmreco
from mmreco import errors

ROOT = Path(__file__).parent.parent
NAMES = sorted(mmreco.__all__)
RAISED = {*errors.__all__, "FloatingPointError"}  # training that runs away is nobody's unusable table


def test_the_list_is_what_is_offered() -> None:
    assert len(set(mmreco.__all__)) == len(mmreco.__all__)
    assert set(mmreco.__all__) == set(mmreco._NAMES)
    assert set(mmreco.__all__) <= set(dir(mmreco))


def test_type_checkers_see_the_same_list() -> None:
    text = (ROOT / "mmreco" / "__init__.py").read_text(encoding="utf-8").partition("if TYPE_CHECKING:")[2]
    block = text.partition("__all__")[0]
    seen = {
        name: module
        for module, names in re.findall(r"from (mmreco[\w.]*) import \(?([\w\s,]+?)\)?\n(?=\s*from|\s*$)", block)
        for name in re.findall(r"\w+", names)
    }
    assert seen == mmreco._NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there(name: str) -> None:
    value = getattr(mmreco, name)
    home = sys.modules[mmreco._NAMES[name]]
    assert getattr(home, name) is value
    assert name in home.__all__
    assert getattr(value, "__module__", home.__name__).startswith(home.__name__), "listed where it is only imported"


def test_a_misspelt_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="Recomender"):
        mmreco.Recomender  # noqa: B018


def test_the_version_is_the_package_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert mmreco.__version__ == project["version"]


# ---- described


def members(value: Any) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class itself, or a class of ours above it, defines."""
    for owner in value.__mro__:
        if owner.__module__.startswith("mmreco"):
            for name, member in vars(owner).items():
                if not name.startswith("_"):
                    yield (
                        name,
                        getattr(member, "fget", None)
                        or getattr(member, "func", None)
                        or inspect.unwrap(getattr(member, "__func__", member)),
                    )


def faults(docstring: str | None) -> list[str]:
    """Where a docstring breaks the promised form."""
    text = inspect.cleandoc(docstring or "")
    if not text:
        return ["no docstring"]
    found = []
    first = text.partition("\n\n")[0].replace("\n", " ")
    if not re.match(r"[A-Z`\"'\d-]", first) or not first.endswith((".", "?", "`")) or len(first.split()) < 2:
        found.append(f"the first line is no sentence: {first!r}")
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if set(line.strip()) == {"-"} and number and lines[number - 1] == "Raises":
            found.extend(_unknown_errors(lines[number + 1 :]))
    return found


def _unknown_errors(lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number + 1 < len(lines) and set(lines[number + 1].strip()) == {"-"}:
            return  # the next heading
        if line and not line.startswith(" "):
            for name in re.split(r",\s*|\s+or\s+", line):
                if name not in RAISED:
                    yield f"raises {name!r}, which is none of mmreco's errors"


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_described(name: str) -> None:
    value = getattr(mmreco, name)
    if not callable(value):
        return  # a table of names; the documents say what it is
    found = [f"{name}: {fault}" for fault in faults(value.__doc__)]
    if inspect.isclass(value):
        for member, function in members(value):
            if isinstance(function, FunctionType):
                found += [f"{name}.{member}: {fault}" for fault in faults(function.__doc__)]
    assert found == []


@pytest.mark.parametrize(
    ("docstring", "said"),
    [
        (None, "no docstring"),
        ("frobnicates", "no sentence"),
        ("The answer.", None),
        ("The answer.\n\n    Raises\n    ------\n    DataError\n        Always.\n    ", None),
        ("The answer.\n\n    Raises\n    ------\n    ValueError\n        Always.\n    ", "raises 'ValueError'"),
        (
            "The answer.\n\nRaises\n------\nDataError, UnknownIdError\n    Always.\n\nNotes\n-----\nNever.",
            None,
        ),
    ],
)
def test_the_form_is_checked_at_all(docstring: str | None, said: str | None) -> None:
    found = faults(docstring)
    assert found == [] if said is None else any(said in line for line in found)


@pytest.mark.parametrize("name", NAMES)
def test_every_signature_is_small_and_typed(name: str) -> None:
    value = getattr(mmreco, name)
    functions = [f for _, f in members(value)] if inspect.isclass(value) else [value]
    for function in functions:
        if isinstance(function, FunctionType):
            parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "cls")]
            assert all(p.kind is not p.VAR_KEYWORD for p in parameters), f"{name}.{function.__name__} swallows **kwargs"
            assert len(parameters) <= 9, f"{name}.{function.__name__} has {len(parameters)} parameters"
