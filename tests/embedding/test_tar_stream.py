"""Tar archives: nothing is lost in silence, whatever happened to the file; memory and time are bounded."""

import gzip
import io
import os
import random
import resource
import struct
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from mmreco.embedding.sources import tar_contents
from mmreco.errors import DataError

MEMBERS = {f"{number}.jpg": bytes([65 + number]) * (400 + 300 * number) for number in range(8)}


def packed(members: dict[str, bytes], *, form: int = tarfile.USTAR_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for name, data in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return file.getvalue()


def listed(path: Path, data: bytes) -> tuple[dict[str, bytes], str]:
    """The good members of an archive of these bytes, and why the archive was refused."""
    path.write_bytes(data)
    good, reason = {}, ""
    for name, content in tar_contents([path]):
        if isinstance(content, bytes):
            good[name] = content
        elif name == str(path):
            reason += str(content)
    return good, reason


EVERY = {name.removesuffix(".jpg"): data for name, data in MEMBERS.items()}


def header(size: int, kind: bytes = b"0", name: bytes = b"x.jpg") -> bytes:
    field = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    block = bytearray(name.ljust(100, b"\0") + b"0000644\0" * 3 + field + b"00000000000\0" + b" " * 8 + kind)
    block += bytes(512 - len(block))
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_and_long_names(tmp_path: Path, form: int) -> None:
    members = dict(MEMBERS)
    if form != tarfile.USTAR_FORMAT:
        members["folder/" * 40 + "裙子.jpg"] = b"long"
    members["a/" * 50 + "prefix.jpg"] = b"prefix"
    good, reason = listed(tmp_path / "a.tar", packed(members, form=form))
    assert (good, reason) == ({name.removesuffix(".jpg"): data for name, data in members.items()}, "")


def test_ids_do_not_depend_on_how_a_path_is_written(tmp_path: Path) -> None:
    members = {"./a.jpg": b"1", ".//b/./c.front.jpg": b"2", "/d.jpg": b"3", "./.hidden.jpg": b"4", "e.jpg/": b""}
    assert listed(tmp_path / "a.tar", packed(members))[0] == {"a": b"1", "b/c": b"2", "d": b"3"}


def test_an_archive_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = packed(MEMBERS)
    end = len(whole.rstrip(b"\0"))
    for size in [*range(512, end, 512), 700, end, end + 100, *range(1, 511, 100)]:
        good, reason = listed(tmp_path / "a.tar", whole[:size])
        assert "cut off at byte" in reason or "a damaged header" in reason, size
        assert all(EVERY[name] == data for name, data in good.items())


def test_one_flipped_bit_of_a_header_is_noticed(tmp_path: Path) -> None:
    whole = bytearray(packed(MEMBERS))
    chance = random.Random(0)
    places = [place for place in range(0, len(whole), 512) if whole[place : place + 6].endswith(b".jpg\0")]
    assert len(places) == len(MEMBERS)
    for _ in range(150):
        place, bit = chance.choice(places) + chance.randrange(512), 1 << chance.randrange(8)
        whole[place] ^= bit
        good, reason = listed(tmp_path / "a.tar", bytes(whole))
        assert good == EVERY or reason, (place, bit)
        whole[place] ^= bit


def test_zeros_and_joined_archives_are_read_on_and_said(tmp_path: Path) -> None:
    first, second = packed(dict(list(MEMBERS.items())[:4])), packed(dict(list(MEMBERS.items())[4:]))
    good, reason = listed(tmp_path / "a.tar", first + second)
    assert good == EVERY
    assert "two archives joined" in reason
    holed = bytearray(packed(MEMBERS))
    holed[512 * 2 : 512 * 5] = bytes(512 * 3)  # the second member, whole
    good, reason = listed(tmp_path / "b.tar", bytes(holed))
    assert set(good) == set(EVERY) - {"1"}
    assert "members lost there" in reason


def test_rubbish_after_the_end_is_said(tmp_path: Path) -> None:
    good, reason = listed(tmp_path / "a.tar", packed(MEMBERS) + b"rubbish" * 100)
    assert good == EVERY
    assert "a damaged header" in reason


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz"])
def test_a_flipped_bit_of_a_compressed_archive_hands_on_no_changed_bytes(tmp_path: Path, ending: str) -> None:
    chance = random.Random(1)
    members = {name: bytes(chance.randrange(256) for _ in range(900)) for name in MEMBERS}
    right = {name.removesuffix(".jpg"): data for name, data in members.items()}
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{ending}") as tar:  # type: ignore[call-overload]
        for name, data in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    whole = bytearray(file.getvalue())
    assert listed(tmp_path / "a", bytes(whole)) == (right, "")
    for _ in range(120):
        place, bit = chance.randrange(len(whole)), 1 << chance.randrange(8)
        whole[place] ^= bit
        good, reason = listed(tmp_path / "a", bytes(whole))
        assert good == right or (not good and reason), (place, bit)
        whole[place] ^= bit
    for size in range(10, len(whole), 397):
        good, reason = listed(tmp_path / "a", bytes(whole[:size]))
        assert not good
        assert reason


def test_joined_gzip_streams_are_one(tmp_path: Path) -> None:
    whole = packed(MEMBERS)
    assert listed(tmp_path / "a", gzip.compress(whole[:3000]) + gzip.compress(whole[3000:]) + bytes(512)) == (EVERY, "")


HUGE = {
    "a member of 2^62 bytes": header(1 << 62) + b"x" * 512,
    "a member of 2^40 bytes": header(1 << 40) + b"x" * 512,
    "a picture above the limit, cut": header(300 << 20) + b"x" * 512,
    "a long name of 3 GB": header(3 << 30, b"L") + b"x" * 512,
    "a long link of 3 GB": header(3 << 30, b"K") + b"x" * 512,
    "a pax header of 3 GB": header(3 << 30, b"x") + b"x" * 512,
    "a global pax header of 3 GB": header(3 << 30, b"g") + b"x" * 512,
    "a pax size of 2^62": header(20, b"x") + b"19 size=46116860184\n".ljust(512, b"\0") + header(4) + bytes(1024),
    "a pax length of 10^19": header(30, b"x") + b"10000000000000000000 path=a.jpg".ljust(512, b"\0") + bytes(1024),
    "a pax length of 0": header(30, b"x") + b"0 path=a.jpg\n".ljust(512, b"\0") + bytes(1024),
    "a sparse pax file": header(25, b"x") + b"25 GNU.sparse.major=1000\n".ljust(512, b"\0") + header(0) + bytes(1024),
    "a negative size": header(0)[:124] + b"\xff" * 12 + header(0)[136:],
    "only long names": header(5, b"L") + b"a.jpg".ljust(512, b"\0"),
}


@pytest.mark.parametrize("kind", HUGE)
def test_what_claims_too_much_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    started = time.perf_counter()
    good, reason = listed(tmp_path / "a.tar", HUGE[kind])
    assert not good
    assert reason.startswith("archive unreadable")
    assert time.perf_counter() - started < 5


def test_a_bomb_is_refused_within_bounded_memory(tmp_path: Path) -> None:
    bombs = {"name": header(2 << 30, b"L"), "member": header(8 << 30), "zeros": bytes(512)}
    for name, head in bombs.items():
        with gzip.open(tmp_path / f"{name}.tar.gz", "wb", compresslevel=1) as file:
            file.write(head)
            for _ in range(300):
                file.write(bytes(1 << 20))
    script = (
        "import sys, resource\nfrom mmreco.embedding.sources import tar_contents\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print([str(content) for _, content in tar_contents(sys.argv[1:])])\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    done = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True, check=True)
    reasons, megabytes = done.stdout.strip().split("\n")
    assert reasons.count("no pictures or texts are so alike") == 3
    assert int(megabytes) < 60


def test_an_xz_stream_that_asks_for_gigabytes_is_refused(tmp_path: Path) -> None:
    import lzma

    packer = lzma.LZMACompressor(filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 4096}])
    data = bytearray(packer.compress(packed(MEMBERS)) + packer.flush())
    data[16] = 39  # a dictionary of 3 GB, in the header of the block; with the right checksum
    data[20:24] = struct.pack("<I", __import__("zlib").crc32(bytes(data[12:20])))
    good, reason = listed(tmp_path / "a.tar.xz", bytes(data))
    assert not good
    assert "Memory usage limit" in reason or "damaged" in reason


def test_a_pipe_or_a_device_is_no_archive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, tmp_path / "none"):
        [(name, content)] = tar_contents([path])
        assert name == str(path)
        assert isinstance(content, DataError)


def spoilt(chance: random.Random) -> bytes:
    """An archive with some of what happens to archives."""
    form = chance.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    names = [chance.choice(["", "./", "裙/", "long/" * 60]) + name for name in MEMBERS]
    if form == tarfile.USTAR_FORMAT:
        names = [name.replace("long/", "") for name in names]
    data = bytearray(packed(dict(zip(names, MEMBERS.values(), strict=True)), form=form))
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(data)) if chance.random() < 0.5 else 512 * chance.randrange(len(data) // 512 + 1)
        act = chance.randrange(6)
        if act == 0:
            data[min(place, len(data) - 1)] ^= 1 << chance.randrange(8)
        elif act == 1:
            del data[place:]
            data += b"x" * (not data)
        elif act == 2:
            data[place : place + 512] = bytes(512)
        elif act == 3:
            data[place:place] = header(chance.choice([0, 7, 1 << 33, 1 << 62]), chance.choice([b"0", b"L", b"x", b"S"]))
        elif act == 4:
            data[place : place + 512] = chance.randbytes(512)
        else:
            data += packed({"joined.jpg": b"1"})
    return gzip.compress(bytes(data), 1) if chance.random() < 0.2 else bytes(data)


def fuzzed(path: Path, rounds: int, seed: int) -> None:
    chance, whole, slowest = random.Random(seed), 0, 0.0
    for number in range(rounds):
        started = time.process_time()
        good, reasons = listed(path, spoilt(chance))
        assert len(good) <= 60, number
        whole += not reasons
        slowest = max(slowest, time.process_time() - started)
        assert slowest < 10, number
    told = rounds - whole
    print(f"tars: {rounds:,} of seed {seed}: {whole:,} read whole, {told:,} with reasons, slowest {slowest:.2f} s")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20  # kB


def test_spoilt_archives_end_in_members_or_reasons(tmp_path: Path) -> None:
    fuzzed(tmp_path / "a.tar", 200, seed=0)


@pytest.mark.fuzz
def test_a_thousand_spoilt_archives(tmp_path: Path) -> None:
    fuzzed(tmp_path / "a.tar", 1_000, seed=1)
