"""What an experiment is: a name and its variants, from a small TOML or JSON file.

::

    name = "home-november"

    [variants.as-it-was]
    share = 0.5

    [variants.varied]
    share = 0.5
    explore = 0.05                      # one page in twenty in random order
    rerank = { diversity = 0.4, caps = { brand = 2 } }

A variant may answer from another artefact: `artefact = "other/"`, beside the file unless absolute. With
`interleave = true` two variants without shares are interleaved for everybody.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmreco.errors import DataError
from mmreco.evaluation.assignment import require_shares
from mmreco.rerank.options import RerankOptions

__all__ = ["ExperimentSettings", "Variant"]

_VARIANT = ("share", "artefact", "rerank", "explore")
_RERANK = ("diversity", "method", "caps", "minimums", "boosts", "duplicates")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to answer.

    Parameters
    ----------
    share : above 0, up to 1
        Of the users.
    artefact : another than the service's, optional
    rerank : how its ranking becomes a page, optional
    explore : 0 to below 1
        Share of the answers that are a random order of the first candidates, so that the log tells of other policies.

    Raises
    ------
    DataError
        A value is out of range.
    """

    share: float
    artefact: Path | None = None
    rerank: RerankOptions | None = None
    explore: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.explore < 1:
            raise DataError(f"variant: explore={self.explore}; expected 0 to below 1")


@dataclass(frozen=True, kw_only=True)
class ExperimentSettings:
    """A name and the variants in their order; the first is what others are compared with.

    Raises
    ------
    DataError
        There are fewer than two variants, the shares do not sum up to 1, or what is interleaved is not two variants
        that explore nothing.
    """

    name: str
    variants: Mapping[str, Variant]
    interleave: bool = False

    def __post_init__(self) -> None:
        if not self.name or len(self.variants) < 2:
            raise DataError(f"experiment {self.name!r}: {len(self.variants)} variants; expected a name and two or more")
        require_shares(self.shares)
        if self.interleave and (len(self.variants) > 2 or any(v.explore for v in self.variants.values())):
            raise DataError(f"experiment {self.name!r}: interleave takes two variants without explore")

    @property
    def shares(self) -> dict[str, float]:
        """The share of each variant."""
        return {name: variant.share for name, variant in self.variants.items()}

    @classmethod
    def read(cls, path: str | Path) -> "ExperimentSettings":
        """The settings in a .toml or .json file.

        Raises
        ------
        DataError
            The file cannot be read, names something unknown, or holds no experiment.
        """
        file = Path(path)
        try:
            text = file.read_text(encoding="utf-8")
            given = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise DataError(f"experiment: {path} cannot be read ({error}); expected .toml or .json") from error
        if not isinstance(given, dict) or not isinstance(given.get("variants"), dict):
            raise DataError(f"experiment: {path} names no variants; expected [variants.NAME] with a share each")
        _require_known(str(path), given, ("name", "variants", "interleave"))
        interleave = given.get("interleave", False)
        if not isinstance(given.get("name"), str) or not isinstance(interleave, bool):
            raise DataError(f'experiment: {path}: expected name = "...", and interleave true or false')
        variants = {name: _variant(name, one, file.parent, interleave) for name, one in given["variants"].items()}
        return cls(name=given["name"], variants=variants, interleave=interleave)


def _variant(name: str, given: Any, beside: Path, interleave: bool) -> Variant:
    if not isinstance(given, dict):
        raise DataError(f"variant {name!r}: {given!r}; expected a table with a share")
    _require_known(f"variant {name!r}", given, _VARIANT)
    share, explore = given.get("share", 0.5 if interleave else None), given.get("explore", 0.0)
    artefact, rerank = given.get("artefact"), given.get("rerank")
    if any(isinstance(n, bool) or not isinstance(n, (int, float)) for n in (share, explore)):
        raise DataError(f"variant {name!r}: share={share!r}, explore={explore!r}; expected numbers")
    if not isinstance(artefact, (str, type(None))) or not isinstance(rerank, (dict, type(None))):
        raise DataError(f"variant {name!r}: expected artefact as a path, and rerank as a table")
    if rerank is not None:
        _require_known(f"variant {name!r}: rerank", rerank, _RERANK)
    return Variant(
        share=float(share),  # type: ignore[arg-type]  # a number, by the look above
        artefact=None if artefact is None else beside / artefact,
        rerank=None if rerank is None else RerankOptions(**rerank),
        explore=float(explore),
    )


def _require_known(what: str, given: Mapping[str, Any], names: tuple[str, ...]) -> None:
    unknown = [name for name in given if name not in names]
    if unknown:
        raise DataError(f"{what}: nothing is called {unknown[0]!r}; there are {', '.join(names)}")
