"""The outlines of the demo shop's products: one drawing for each category and style, as paths on a 100 x 100 sheet.

A path is written as in SVG (`M`, `L`, `Q`, `C`, `Z`, absolute numbers). A part with a `width` is a stroke.
"""

import re
from dataclasses import dataclass
from functools import cache

import numpy as np

from mmreco.arrays import F32
from mmreco.errors import DataError

__all__ = ["SILHOUETTES", "Part", "outline"]


@dataclass(frozen=True)
class Part:
    """A piece of a drawing.

    Parameters
    ----------
    paint : what covers it
        "fabric" (the colour and pattern), "plain", "deep", "pale" (the colour alone, its shade, its tint),
        "trim", "metal", "wood", "dark", "glow".
    path : outline, or the line of a stroke
    width : of a stroke on the sheet, 0 for a filled shape
    """

    paint: str
    path: str
    width: float = 0.0


def _p(paint: str, path: str, width: float = 0.0) -> Part:
    return Part(paint, path, width)


# By category, then by style: casual, formal, sporty, vintage.
SILHOUETTES: dict[str, tuple[tuple[Part, ...], ...]] = {
    "dress": (
        (
            _p("fabric", "M37 12 Q50 24 63 12 L73 17 L82 33 L71 38 L66 32 Q65 43 64 47 Q75 70 82 88 Q50 95 18 88 Q25 70 36 47 Q35 43 34 32 L29 38 L18 33 L27 17 Z"),
            _p("deep", "M36 47 Q50 51 64 47", 1.2),
        ),
        (
            _p("fabric", "M37 8 L39 8 Q40 22 50 26 Q60 22 61 8 L63 8 Q63 22 66 31 Q65 42 61 47 Q66 70 76 94 Q50 98 24 94 Q34 70 39 47 Q35 42 34 31 Q37 22 37 8 Z"),
            _p("deep", "M39 46 Q50 50 61 46 L61 50 Q50 54 39 50 Z"),
            _p("deep", "M56 58 Q58 75 64 94", 1.0),
        ),
        (
            _p("fabric", "M39 9 Q41 22 50 23 Q59 22 61 9 L66 10 Q64 24 68 31 Q63 44 64 50 Q68 68 78 92 Q50 97 22 92 Q32 68 36 50 Q37 44 32 31 Q36 24 34 10 Z"),
            _p("trim", "M39 9 Q41 22 50 23 Q59 22 61 9", 2.2),
            _p("trim", "M36 50 Q50 54 64 50", 2.4),
        ),
        (
            _p("fabric", "M35 13 L43 16 Q50 26 57 16 L65 13 Q70 20 74 25 L65 34 Q62 41 62 46 Q82 62 91 84 Q70 93 50 91 Q30 93 9 84 Q18 62 38 46 Q38 41 35 34 L26 25 Q30 20 35 13 Z"),
            _p("dark", "M38 45 L62 45 L62 49.5 L38 49.5 Z"),
            _p("metal", "M47.5 44 L53 44 L53 50.5 L47.5 50.5 Z"),
            _p("pale", "M43 16 Q50 26 57 16 L60 15 Q56 30 50 30 Q44 30 40 15 Z"),
        ),
    ),
    "t-shirt": (
        (
            _p("fabric", "M35 17 Q50 28 65 17 L77 22 L94 44 L80 54 L73 46 L74 86 Q50 89 26 86 L27 46 L20 54 L6 44 L23 22 Z"),
            _p("deep", "M35 17 Q50 28 65 17 L67.5 18 Q50 33 32.5 18 Z"),
        ),
        (
            _p("fabric", "M36 17 L64 17 L77 22 L92 45 L79 53 L73 45 L73 86 L27 86 L27 45 L21 53 L8 45 L23 22 Z"),
            _p("pale", "M36 15 L50 21 L42 31 L31 18 Z"),
            _p("pale", "M64 15 L50 21 L58 31 L69 18 Z"),
            _p("deep", "M50 21 L50 44", 1.0),
            _p("trim", "M50 29 L50 30.6", 2.4),
            _p("trim", "M50 37 L50 38.6", 2.4),
        ),
        (
            _p("fabric", "M37 17 Q50 26 63 17 L71 20 L74 86 Q50 89 26 86 L29 20 Z"),
            _p("trim", "M63 17 L77 21 L95 47 L82 54 L72.5 43 Z"),
            _p("trim", "M37 17 L23 21 L5 47 L18 54 L27.5 43 Z"),
            _p("deep", "M37 17 Q50 26 63 17 L66 18 Q50 32 34 18 Z"),
        ),
        (
            _p("fabric", "M34 18 Q50 30 66 18 L80 22 L94 43 L82 52 L76 46 L77 82 L23 82 L24 46 L18 52 L6 43 L20 22 Z"),
            _p("dark", "M34 18 Q50 30 66 18 L68.5 19 Q50 35 31.5 19 Z"),
            _p("dark", "M94 43 L82 52 L79.5 48.5 L91.5 39.5 Z"),
            _p("dark", "M6 43 L18 52 L20.5 48.5 L8.5 39.5 Z"),
        ),
    ),
    "trousers": (
        (
            _p("fabric", "M31 10 L69 10 L72 24 L80 88 L58 90 L50 42 L42 90 L20 88 L28 24 Z"),
            _p("deep", "M30.5 10 L69.5 10 L70.5 16 L29.5 16 Z"),
            _p("deep", "M33 17 Q34 26 28.5 29", 1.2),
            _p("deep", "M67 17 Q66 26 71.5 29", 1.2),
            _p("deep", "M50 16 L50 42", 1.0),
            _p("metal", "M49 13 L51 13", 2.2),
        ),
        (
            _p("fabric", "M34 8 L66 8 L69 20 L70 93 L55 93 L50 38 L45 93 L30 93 L31 20 Z"),
            _p("dark", "M33.5 8 L66.5 8 L67.5 12.5 L32.5 12.5 Z"),
            _p("metal", "M47 7.5 L53 7.5 L53 13 L47 13 Z"),
            _p("deep", "M38.5 22 L38 92", 0.9),
            _p("deep", "M61.5 22 L62 92", 0.9),
        ),
        (
            _p("fabric", "M31 12 L69 12 Q78 42 73 80 L57 81 L50 42 L43 81 L27 80 Q22 42 31 12 Z"),
            _p("deep", "M27 80 L43 81 L42 89 L29 88 Z"),
            _p("deep", "M73 80 L57 81 L58 89 L71 88 Z"),
            _p("trim", "M29.5 20 Q25 48 29.5 79", 2.6),
            _p("trim", "M70.5 20 Q75 48 70.5 79", 2.6),
            _p("deep", "M31 10 L69 10 L70 16 L30 16 Z"),
            _p("trim", "M48 15 L46 27", 1.0),
            _p("trim", "M52 15 L54 26", 1.0),
        ),
        (
            _p("fabric", "M35 9 L65 9 L67 24 Q66 56 86 91 L57 93 Q57 62 50 38 Q43 62 43 93 L14 91 Q34 56 33 24 Z"),
            _p("wood", "M34.5 9 L65.5 9 L66 14 L34 14 Z"),
            _p("metal", "M46 8 L54 8 L54 15 L46 15 Z"),
            _p("deep", "M50 15 L50 38", 1.0),
        ),
    ),
    "shoes": (
        (
            _p("fabric", "M9 70 Q7 52 12 42 L28 39 Q33 49 44 44 Q56 50 68 56 Q88 58 93 70 Z"),
            _p("trim", "M7 68 L94 68 Q97 78 89 80 L13 80 Q6 79 7 68 Z"),
            _p("trim", "M74 57 Q90 59 93 68 L76 68 Q72 62 74 57 Z"),
            _p("trim", "M42 49 L50 44", 2.0),
            _p("trim", "M48 53 L56 47", 2.0),
            _p("trim", "M54 57 L62 51", 2.0),
        ),
        (
            _p("fabric", "M6 38 Q14 33 22 41 Q38 63 60 60 Q84 62 95 76 Q90 79 62 78 Q36 77 22 56 Q18 52 14 52 Q8 48 6 38 Z"),
            _p("deep", "M8 46 L19 53 L15.5 83 L11 83 Z"),
            _p("wood", "M21 56 Q36 77 62 78 Q90 79 95 76 L94 80 Q60 83 36 76 Q26 70 20 60 Z"),
        ),
        (
            _p("fabric", "M14 68 Q11 38 16 17 L42 14 Q44 32 52 40 Q66 51 82 56 Q93 60 94 69 Z"),
            _p("trim", "M11 67 L95 67 Q98 80 88 82 L17 82 Q9 80 11 67 Z"),
            _p("deep", "M11 76 L95 76", 1.6),
            _p("trim", "M40 24 L31 26", 2.2),
            _p("trim", "M42 32 L33 35", 2.2),
            _p("trim", "M47 40 L38 44", 2.2),
            _p("trim", "M54 46 L46 51", 2.2),
            _p("pale", "M18 44 Q30 50 34 66 L26 66 Q24 54 17 50 Z"),
        ),
        (
            _p("fabric", "M22 13 L50 13 Q49 38 56 48 Q78 53 90 64 Q93 70 92 74 L22 74 Q25 44 22 13 Z"),
            _p("wood", "M20 73 L93 73 L93 79 L44 79 L42 85 L20 85 Z"),
            _p("dark", "M38 20 L46 20 Q45 38 50 46 L40 48 Q37 36 38 20 Z"),
            _p("deep", "M21.5 13 L50.5 13 L50.3 18 L22 18 Z"),
        ),
    ),
    "bag": (
        (
            _p("deep", "M35 46 Q34 12 50 12 Q66 12 65 46", 3.4),
            _p("fabric", "M20 40 L80 40 L87 87 Q50 91 13 87 Z"),
            _p("deep", "M20 40 L80 40 L80.8 45 L19.2 45 Z"),
        ),
        (
            _p("deep", "M33 42 Q34 15 50 15 Q66 15 67 42", 3.6),
            _p("fabric", "M22 40 Q50 35 78 40 L88 82 Q50 88 12 82 Z"),
            _p("plain", "M21 40 Q50 35 79 40 L81 56 Q66 60 50 66 Q34 60 19 56 Z"),
            _p("deep", "M19 56 Q34 60 50 66 Q66 60 81 56", 1.2),
            _p("metal", "M46 60 L54 60 L54 68 L46 68 Z"),
        ),
        (
            _p("dark", "M40 20 Q40 8 50 8 Q60 8 60 20", 3.0),
            _p("fabric", "M26 30 Q30 13 50 13 Q70 13 74 30 Q82 55 79 86 Q50 92 21 86 Q18 55 26 30 Z"),
            _p("plain", "M30 58 Q50 53 70 58 L71 80 Q50 85 29 80 Z"),
            _p("trim", "M33 63 L67 63", 1.8),
            _p("deep", "M27 38 Q50 31 73 38", 1.4),
        ),
        (
            _p("wood", "M40 36 Q40 22 50 22 Q60 22 60 36", 3.0),
            _p("fabric", "M14 40 L86 40 L88 83 Q50 88 12 83 Z"),
            _p("plain", "M12 34 L88 34 Q90 60 83 65 L17 65 Q10 60 12 34 Z"),
            _p("wood", "M28 35 L34 35 L34 74 L28 74 Z"),
            _p("wood", "M66 35 L72 35 L72 74 L66 74 Z"),
            _p("metal", "M27 67 L35 67 L35 73 L27 73 Z"),
            _p("metal", "M65 67 L73 67 L73 73 L65 73 Z"),
        ),
    ),
    "hat": (
        (
            _p("fabric", "M4 66 Q26 52 50 52 Q74 52 96 66 Q90 80 50 82 Q10 80 4 66 Z"),
            _p("fabric", "M27 63 Q26 24 50 23 Q74 24 73 63 Q50 70 27 63 Z"),
            _p("trim", "M27 55 Q50 62 73 55 L73 63 Q50 70 27 63 Z"),
        ),
        (
            _p("fabric", "M8 64 Q14 60 28 64 Q50 70 72 64 Q86 60 92 64 Q84 78 50 79 Q16 78 8 64 Z"),
            _p("fabric", "M26 64 Q27 30 36 25 Q44 24 50 30 Q56 24 64 25 Q73 30 74 64 Q50 72 26 64 Z"),
            _p("dark", "M26 55 Q50 63 74 55 L74 64 Q50 72 26 64 Z"),
        ),
        (
            _p("deep", "M62 58 Q90 58 98 72 Q84 78 58 68 Z"),
            _p("fabric", "M16 66 Q12 26 46 24 Q78 26 76 63 Q46 72 16 66 Z"),
            _p("deep", "M46 24 Q38 44 42 68", 1.0),
            _p("deep", "M46 24 Q66 36 64 66", 1.0),
            _p("trim", "M45 23.4 L47 23.4", 4.0),
        ),
        (
            _p("fabric", "M31 30 Q50 22 69 30 L77 58 Q50 66 23 58 Z"),
            _p("fabric", "M23 56 Q50 64 77 56 L93 76 Q50 92 7 76 Z"),
            _p("deep", "M23 56.5 Q50 64.5 77 56.5", 1.6),
            _p("deep", "M15 66 Q50 78 85 66", 0.9),
        ),
    ),
    "mug": (
        (
            _p("plain", "M67 36 Q92 32 90 54 Q88 74 65 70", 6.5),
            _p("fabric", "M19 24 L71 24 L68 82 Q45 89 22 82 Z"),
            _p("deep", "M19 24 Q45 17 71 24 Q45 31 19 24 Z"),
        ),
        (
            _p("pale", "M8 78 Q45 70 88 78 Q80 90 48 91 Q16 90 8 78 Z"),
            _p("plain", "M72 42 Q92 38 88 54 Q84 66 68 64", 4.5),
            _p("fabric", "M20 34 L76 34 Q76 70 58 79 L38 79 Q20 70 20 34 Z"),
            _p("deep", "M20 34 Q48 26 76 34 Q48 42 20 34 Z"),
            _p("metal", "M20 34 Q48 42 76 34", 1.4),
        ),
        (
            _p("fabric", "M30 24 L70 24 L65 90 Q50 93 35 90 Z"),
            _p("dark", "M27 15 L73 15 L71.5 26 L28.5 26 Z"),
            _p("dark", "M44 9 L58 9 L58 16 L44 16 Z"),
            _p("plain", "M31.8 46 L68.2 46 L66.8 66 L33.2 66 Z"),
        ),
        (
            _p("plain", "M70 38 Q88 38 87 56 Q86 72 70 72", 4.0),
            _p("fabric", "M17 30 L72 30 L70 84 L19 84 Z"),
            _p("dark", "M15.5 28 L73.5 28 L73.5 33 L15.5 33 Z"),
            _p("deep", "M19 80 L70 80 L70 85 L19 85 Z"),
        ),
    ),
    "lamp": (
        (
            _p("wood", "M50 48 L50 84", 4.0),
            _p("wood", "M30 84 Q50 78 70 84 L72 90 L28 90 Z"),
            _p("glow", "M26 52 Q50 60 74 52 Q50 70 26 52 Z"),
            _p("fabric", "M38 12 L62 12 L84 53 Q50 60 16 53 Z"),
        ),
        (
            _p("metal", "M50 48 L50 60", 3.2),
            _p("plain", "M43 56 L57 56 Q70 70 62 86 L38 86 Q30 70 43 56 Z"),
            _p("dark", "M32 85 L68 85 L68 91 L32 91 Z"),
            _p("fabric", "M27 12 L73 12 L79 50 Q50 55 21 50 Z"),
            _p("metal", "M21 50 Q50 55 79 50", 1.4),
        ),
        (
            _p("dark", "M26 84 Q46 78 68 84 L70 90 L24 90 Z"),
            _p("dark", "M46 84 L26 52 L56 28", 3.4),
            _p("glow", "M56 44 L82 30 L90 50 Z"),
            _p("fabric", "M48 26 Q54 14 66 16 Q82 18 88 30 L54 52 Q44 40 48 26 Z"),
            _p("metal", "M25 52 L27 52", 6.0),
        ),
        (
            _p("metal", "M46 46 L54 46 L57 84 L43 84 Z"),
            _p("metal", "M32 84 Q50 78 68 84 L70 90 L30 90 Z"),
            _p("glow", "M22 50 Q50 56 78 50 Q50 64 22 50 Z"),
            _p("fabric", "M14 50 Q16 12 50 12 Q84 12 86 50 Q50 57 14 50 Z"),
        ),
    ),
}  # fmt: skip

_TOKEN = re.compile(r"[MLQCZ]|-?\d+\.?\d*")
_TAKES = {"M": 1, "L": 1, "Q": 2, "C": 3, "Z": 0}
_STEPS = 10  # points a curve is drawn with


@cache
def outline(path: str) -> F32:
    """The points of a path, shape `(n, 2)`, on the 100 x 100 sheet.

    Raises
    ------
    DataError
        The path does not begin with `M`, or a command has too few numbers.
    """
    tokens = _TOKEN.findall(path)
    points: list[tuple[float, float]] = []
    at = 0
    while at < len(tokens):
        command = tokens[at]
        if command not in _TAKES or (command != "M" and not points):
            raise DataError(f"path {path[:20]!r}: expected a command at {command!r}, and M first")
        numbers = [float(t) for t in tokens[at + 1 : at + 1 + 2 * _TAKES[command]]]
        if len(numbers) < 2 * _TAKES[command]:
            raise DataError(f"path {path[:20]!r}: {command} takes {_TAKES[command]} points")
        given = list(zip(numbers[::2], numbers[1::2], strict=True))
        if command in "QC":
            points.extend(_bezier([points[-1], *given]))
        else:
            points.extend(given)
        at += 1 + 2 * _TAKES[command]
    return np.array(points, dtype=np.float32)


def _bezier(control: list[tuple[float, float]]) -> list[tuple[float, float]]:
    t = np.linspace(0, 1, _STEPS + 1)[1:, None]
    left = np.array(control, dtype=np.float64)[:, None, :]  # (order + 1, 1, 2)
    while len(left) > 1:  # de Casteljau
        left = (1 - t) * left[:-1] + t * left[1:]
    return [(float(x), float(y)) for x, y in left[0]]
