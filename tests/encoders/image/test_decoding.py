import io
import os
import struct
import subprocess
import sys
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mmreco.encoders.image.decoding import FORMATS, boxed, open_picture
from mmreco.errors import DataError


def drawn(mode: str = "RGB", size: tuple[int, int] = (40, 60)) -> Image.Image:
    """A gradient with a red square in the upper left quarter."""
    width, height = size
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[..., 1] = np.linspace(0, 200, width, dtype=np.uint8)
    pixels[..., 2] = np.linspace(0, 200, height, dtype=np.uint8)[:, None]
    pixels[: height // 2, : width // 2] = (220, 10, 10)
    return Image.fromarray(pixels).convert(mode)


def stored(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def corner(picture: Image.Image) -> tuple[int, ...]:
    found = picture.getpixel((2, 2))
    assert isinstance(found, tuple)
    return found


# ---- what is opened


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_opens_from_bytes_and_from_a_path(kind: str, tmp_path: Path) -> None:
    data = stored(drawn(), kind)
    path = tmp_path / "without-an-ending"
    path.write_bytes(data)
    for content in (data, path, str(path)):
        opened = open_picture(content)
        assert (opened.mode, opened.size) == ("RGB", (40, 60))
        assert np.abs(np.subtract(corner(opened), (220, 10, 10))).max() < 40


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    picture = drawn("P").convert("PA") if mode == "PA" else drawn() if mode == "LAB" else drawn(mode)
    assert open_picture(picture).mode == "RGB"


def test_what_is_transparent_becomes_white() -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert corner(open_picture(stored(clear, "PNG"))) == (255, 255, 255)
    half = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    assert corner(open_picture(stored(half, "PNG"))) == (255, 127, 127)
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    assert corner(open_picture(stored(palette, "GIF", transparency=0))) == (255, 255, 255)
    assert corner(open_picture(stored(palette, "PNG", transparency=bytes([0, 255])))) == (255, 255, 255)
    assert corner(open_picture(stored(Image.new("RGB", (8, 8), (9, 9, 9)), "PNG", transparency=(9, 9, 9)))) == (
        255,
        255,
        255,
    )


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    for value, expected in ((0, 0), (32_768, 128), (65_535, 255)):
        deep = Image.fromarray(np.full((8, 8), value, dtype=np.uint16))
        for kind in ("PNG", "TIFF"):
            assert corner(open_picture(stored(deep, kind))) == (expected,) * 3


def test_floats_are_bounded() -> None:
    for value, expected in ((0.5, 128), (1e30, 255), (-4.0, 0), (np.nan, 0)):
        assert corner(open_picture(Image.fromarray(np.full((8, 8), value, dtype=np.float32)))) == (expected,) * 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied_once(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter to the right
    opened = open_picture(stored(drawn(), kind, exif=exif))
    assert opened.size == (60, 40)
    right = opened.getpixel((57, 2))  # where the red corner went
    assert isinstance(right, tuple)
    assert right[0] > 150 > right[1]


def test_damaged_exif_costs_no_picture() -> None:
    data = stored(drawn(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert open_picture(data).size == (40, 60)


def test_of_an_animation_the_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        data = stored(frames[0], kind, save_all=True, append_images=frames[1:])
        assert np.abs(np.subtract(corner(open_picture(data)), (255, 0, 0))).max() < 10


def test_a_large_jpeg_is_decoded_small_and_looks_the_same() -> None:
    data = stored(drawn(size=(1600, 2400)), "JPEG")
    opened = open_picture(data, size=224)
    assert opened.size == (200, 300)  # an eighth: 300 is enough for 224
    whole = np.asarray(boxed(open_picture(data), 224)).astype(int)
    assert np.abs(np.asarray(boxed(opened, 224)).astype(int) - whole).mean() < 2
    assert open_picture(data, size=2400).size == (1600, 2400)


# ---- what is refused


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 bytes"),
        (b"GIF89a", "unreadable"),
        (b"<svg/>", "no picture of a known format"),
        ("missing.jpg", r"missing\.jpg.*FileNotFoundError"),
        ("a\0b", "null"),
        (7, "a int; expected a path"),
        (None, "a NoneType"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(content: object, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        open_picture(content)  # type: ignore[arg-type]


def test_folders_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path, "folder"), (tmp_path / "pipe", "special file"), (Path("/dev/zero"), "special file")):
        with pytest.raises(DataError, match=kind):
            open_picture(path)


def test_other_formats_are_refused_whatever_their_name(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(stored(drawn(), "PPM"))
    with pytest.raises(DataError, match=r"picture\.jpg.*known format"):
        open_picture(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_a_picture_cut_short_is_refused(kind: str) -> None:
    data = stored(drawn(), kind)
    with pytest.raises(DataError, match="unreadable picture"):
        open_picture(data[: len(data) // 2])


def test_larger_than_the_limit_is_refused_also_in_memory() -> None:
    with pytest.raises(DataError, match="40 x 60 pixels"):
        open_picture(drawn(), limit=2_399)
    assert open_picture(drawn(), limit=2_400).size == (40, 60)


def png_of(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 9)
    chunks = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def gif_of(width: int, height: int) -> bytes:
    sides = struct.pack("<HH", width, height)
    return b"GIF89a" + sides + b"\x80\0\0" + b"\0\0\0\xff\xff\xff" + b",\0\0\0\0" + sides + b"\0\x02\x02D\x01\0;"


def bmp_of(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 60, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def tiff_of(width: int, height: int) -> bytes:
    tags = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)


def webp_of(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14  # VP8L: lossless, one colour
    body = b"VP8L" + struct.pack("<I", 14) + b"\x2f" + struct.pack("<I", bits) + b"\0" * 9
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


BOMBS = [(maker, side) for maker in (png_of, gif_of, bmp_of, tiff_of) for side in (13_000, 14_000, 65_000)]
BOMBS += [(webp_of, side) for side in (13_000, 14_000, 16_384)]  # the format's own limit

OPEN_ALL = """
import pathlib, resource, sys
from mmreco.encoders.image.decoding import open_picture
open_picture(pathlib.Path(sys.argv[1], "small").read_bytes())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sorted(pathlib.Path(sys.argv[1]).glob("*-*")):
    try:
        open_picture(path)
    except ValueError as error:
        print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_bombs_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(stored(drawn(), "PNG"))
    for maker, side in BOMBS:
        data = maker(side, side)
        assert len(data) < 100
        assert size_declared(maker(8, 8)) == (8, 8), "the maker does not make pictures"
        (tmp_path / f"{maker.__name__}-{side}").write_bytes(data)
    run = [sys.executable, "-W", "ignore", "-c", OPEN_ALL, str(tmp_path)]  # the peak of a process is never taken back
    *refused, grown = subprocess.run(run, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    assert len(refused) == len(BOMBS)
    assert all("pixels" in line for line in refused), refused
    assert int(grown) < 50


def test_a_bomb_is_refused_also_where_warnings_are_errors() -> None:
    with pytest.raises(DataError, match="DecompressionBombWarning"):
        open_picture(png_of(13_000, 13_000))


def size_declared(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        return opened.size


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes changed, cut, doubled or blanked, mostly near the front, where the headers are."""
    out = bytearray(data)
    way = int(rng.integers(5))
    at = int(len(out) * rng.random() ** 3)
    if way == 0:
        for _ in range(int(rng.integers(1, 9))):
            out[int(len(out) * rng.random() ** 3)] = int(rng.integers(256))
    elif way == 1:
        del out[at:]
    elif way == 2:
        out[at:at] = rng.bytes(int(rng.integers(1, 40)))
    elif way == 3:
        out[at : at + 16] = b"\xff" * len(out[at : at + 16])
    else:
        out[at : at + 8] = struct.pack("<q", int(rng.integers(-(2**62), 2**62)))[: len(out[at : at + 8])]
    return bytes(out)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.filterwarnings("ignore")
def test_damaged_pictures_open_or_are_refused_and_nothing_else(kind: str) -> None:
    rng = np.random.default_rng(FORMATS.index(kind))
    exif = Image.Exif()
    exif[0x0112] = 8
    exif[0x010E] = "a dress"
    options = {} if kind in ("BMP", "GIF") else {"exif": exif}
    whole = [stored(drawn(mode), kind, **options) for mode in ("RGB", "L")]
    n = int(os.environ.get("MMRECO_MUTATIONS", "60"))
    refused = 0
    for number in range(n):
        try:
            assert open_picture(mutated(whole[number % 2], rng), size=32).mode == "RGB"
        except DataError:
            refused += 1
    assert 0 < refused < n  # else the mutations are not worth their name


# ---- what must not cost the picture, the memory or the time


def test_a_rotated_photo_with_a_tag_that_cannot_be_written_is_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = bytearray(stored(drawn(), "JPEG", exif=exif))
    tags = data.index(b"Exif\0\0") + 6
    entries = data.index(b"\x12\x01", tags) if data[tags : tags + 2] == b"II" else data.index(b"\x01\x12", tags)
    order = "<" if data[tags : tags + 2] == b"II" else ">"
    # a second entry: a rational of a tag Pillow knows, its numbers beyond what may be written
    entry = struct.pack(order + "HHI", 0x011A, 5, 1) + struct.pack(order + "I", 38)
    directory = struct.pack(order + "H", 2) + bytes(data[entries : entries + 12]) + entry + bytes(4)
    block = bytes(data[tags : tags + 8]) + directory + struct.pack(order + "II", 0xFFFFFFFF, 0)
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block
    start = data.index(b"\xff\xe1")
    length = struct.unpack(">H", data[start + 2 : start + 4])[0]
    whole = bytes(data[:start]) + segment + bytes(data[start + 2 + length :])
    assert open_picture(whole).size == (60, 40)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_what_pillow_makes_of_it(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = stored(drawn(), "PNG", exif=exif)
    right = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert open_picture(data).tobytes() == right.tobytes()


def test_strips_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [drawn("RGBA"), drawn("LA"), drawn("P"), drawn("I"), drawn("F")]
    pictures[0].putalpha(Image.linear_gradient("L").resize((40, 60)))
    pictures.append(Image.fromarray(np.arange(2400, dtype=np.uint16).reshape(60, 40) * 27))
    whole = [open_picture(picture).tobytes() for picture in pictures]
    monkeypatch.setattr("mmreco.encoders.image.rgb._STRIP", 100)
    assert [open_picture(picture).tobytes() for picture in pictures] == whole


@pytest.mark.parametrize("kind", ["float TIFF", "16-bit PNG", "32-bit TIFF", "transparent PNG"])
def test_memory_of_one_picture_is_bounded(kind: str, tmp_path: Path) -> None:
    side = 5_000
    made = {
        "float TIFF": lambda: Image.fromarray(np.ones((side, side), np.float32)),
        "16-bit PNG": lambda: Image.fromarray(np.full((side, side), 999, np.uint16)),
        "32-bit TIFF": lambda: Image.fromarray(np.full((side, side), 70_000, np.int32)),
        "transparent PNG": lambda: Image.new("RGBA", (side, side), (1, 2, 3, 4)),
    }[kind]()
    path = tmp_path / "large"
    made.save(path, kind[-4:].strip(), **({"compress_level": 1} if "PNG" in kind else {"compression": "tiff_deflate"}))
    script = (
        "import sys, resource\nfrom mmreco.encoders.image.decoding import open_picture\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "open_picture(sys.argv[1])\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 320  # MB; 25 million pixels of RGB are 100 in Pillow, and twice that while converted


def scans(data: bytes) -> tuple[bytes, bytes, bytes]:
    """A progressive JPEG's begin, its last scan, and its end."""
    last = data.rindex(b"\xff\xda")
    return data[:last], data[last:-2], data[-2:]


@pytest.mark.parametrize("repeated", [200, 4_000])
def test_a_jpeg_of_very_many_scans_is_refused_at_once(repeated: int, tmp_path: Path) -> None:
    begin, scan, end = scans(stored(drawn(size=(1000, 1000)), "JPEG", progressive=True))
    bomb = begin + scan * repeated + end
    (tmp_path / "bomb.jpg").write_bytes(bomb)
    for content in (bomb, tmp_path / "bomb.jpg"):
        started = time.perf_counter()
        with pytest.raises(DataError, match=r"a JPEG of .* scans; at most"):
            open_picture(content)
        assert time.perf_counter() - started < 5
    assert open_picture(stored(drawn(), "JPEG", progressive=True)).size == (40, 60)


def test_jpegs_inside_tiffs_are_counted_too() -> None:
    picture = drawn(size=(2_000, 2_000))
    assert open_picture(stored(picture, "TIFF", compression="jpeg")).size == (2_000, 2_000)


def test_avif_is_opened_and_its_bombs_are_refused() -> None:
    if "AVIF" not in FORMATS:
        pytest.skip("this Pillow reads no AVIF")
    data = bytearray(stored(drawn(), "AVIF"))
    assert open_picture(bytes(data)).size == (40, 60)
    place = data.index(b"ispe") + 8
    data[place : place + 8] = struct.pack(">II", 65_000, 65_000)
    with pytest.raises(DataError):
        open_picture(bytes(data))
