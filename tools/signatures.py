"""Signatures as the source has them: types by their short names, defaults as written."""

import ast
import dataclasses
import inspect
import sys
from functools import cache

__all__ = ["signature"]

WIDTH = 80


@cache
def _module(name: str) -> ast.Module:
    return ast.parse(inspect.getsource(sys.modules[name]))


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in ast.walk(_module(module)) if isinstance(node, ast.ClassDef)}


def signature(name: str, value: object) -> str:
    """What one writes to call it, e.g. `EASE(*, l2: float = 500.0)`; several lines where it is long."""
    if inspect.isclass(value):
        parts, answer = _of_class(value), ""
    else:
        node = _function(inspect.unwrap(value))  # type: ignore[arg-type]
        parts = _parameters(node) if node else ["..."]
        answer = f" -> {ast.unparse(node.returns)}" if node and node.returns else ""
    line = f"{name}({', '.join(parts)}){answer}"
    if len(line) <= WIDTH or not parts:
        return line
    return "\n".join([f"{name}(", *(f"    {part}," for part in parts), f"){answer}"])


def _function(function: object) -> ast.FunctionDef | None:
    first = function.__code__.co_firstlineno  # type: ignore[attr-defined]
    for node in ast.walk(_module(function.__module__)):
        if isinstance(node, ast.FunctionDef) and first in (node.lineno, *(d.lineno for d in node.decorator_list)):
            return node
    return None


def _parameters(node: ast.FunctionDef) -> list[str]:
    given = node.args
    plain = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(plain) - len(given.defaults)) + list(given.defaults)
    parts = [_one(a, d) for a, d in zip(plain, defaults, strict=True) if a.arg not in ("self", "cls")]
    if given.vararg:
        parts.append(f"*{_one(given.vararg, None)}")
    elif given.kwonlyargs:
        parts.append("*")
    return parts + [_one(a, d) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True)]


def _one(argument: ast.arg, default: ast.expr | None) -> str:
    kind = f": {ast.unparse(argument.annotation)}" if argument.annotation else ""
    return f"{argument.arg}{kind}" + (f" = {ast.unparse(default)}" if default else "")


def _of_class(value: type) -> list[str]:
    if "__init__" in vars(value) and not dataclasses.is_dataclass(value):
        node = _function(vars(value)["__init__"])
        return _parameters(node) if node else []
    if not dataclasses.is_dataclass(value):
        owner = next(
            (o for o in value.__mro__[1:] if "__init__" in vars(o) and o.__module__.startswith("mmreco")), None
        )
        return _of_class(owner) if owner else []
    written = {}
    for owner in reversed(value.__mro__):
        if owner.__module__.startswith("mmreco"):
            for node in _classes(owner.__module__)[owner.__name__].body:
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    written[node.target.id] = node
    parts, star = [], False
    for field in dataclasses.fields(value):
        if not field.init or field.name.startswith("_"):
            continue
        if field.kw_only and not star:
            parts, star = [*parts, "*"], True
        node = written[field.name]
        text = f"{field.name}: {ast.unparse(node.annotation)}"
        if field.default is not dataclasses.MISSING:
            text += f" = {field.default!r}" if isinstance(node.value, ast.Call) else f" = {ast.unparse(node.value)}"
        elif field.default_factory is not dataclasses.MISSING:
            text += f" = {field.default_factory.__name__}()"
        parts.append(text)
    return parts
