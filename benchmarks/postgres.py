"""A PostgreSQL of its own, in a temporary folder on a free port, for as long as a test or a benchmark runs.

The server refuses to run as root, so root starts it as another user.
"""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOT_INSTALLED = "PostgreSQL is not installed: no initdb on the path or below /usr/lib/postgresql"
_LIMIT = 60  # seconds for a start or a stop


def binaries() -> Path | None:
    """The folder of `initdb` and `pg_ctl`: the one on the path, or the newest of Debian's."""
    there = shutil.which("initdb")
    if there is not None:
        return Path(there).resolve().parent
    below = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return below[-1].parent if below else None


@dataclass(frozen=True)
class Postgres:
    """A server that can be stopped and started again."""

    folder: Path
    port: int
    password: str
    durable: bool

    def url(self, database: str = "postgres") -> str:
        """The address of a database, as SQLAlchemy has it."""
        return f"postgresql+psycopg://shop:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Have it answer."""
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c shared_buffers=32MB"
        if not self.durable:  # a power cut is not under test
            settings += " -c fsync=off"
        self._control("start", "-o", settings, "-l", str(self.folder / "log"))

    def stop(self) -> None:
        """End it as a crash would, its connections with it."""
        self._control("stop", "-m", "immediate")

    def create(self, database: str) -> str:
        """A new database's address."""
        words = [_binary("psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "shop", "-d", "postgres"]
        _run([*words, "-q", "-c", f'CREATE DATABASE "{database}"'], env={**os.environ, "PGPASSWORD": self.password})
        return self.url(database)

    def _control(self, *words: str) -> None:
        _run([_binary("pg_ctl"), "-D", str(self.folder / "data"), "-w", "-t", str(_LIMIT), *words], **_another_user())


@contextmanager
def temporary_postgres(*, durable: bool = True) -> Iterator[Postgres]:
    """A server that runs for the length of the block; nothing is left of it."""
    folder = Path(tempfile.mkdtemp(prefix="mmreco-postgres-"))
    password, user = secrets.token_hex(16), _another_user()
    try:
        (folder / "password").write_text(password, encoding="utf-8")
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, user["user"], user["group"])
        words = ["-U", "shop", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}", "-E", "UTF8", "--locale=C"]
        _run([_binary("initdb"), "-D", str(folder / "data"), "--no-sync", *words], **user)
        server = Postgres(folder, _free_port(), password, durable)
        server.start()
        try:
            yield server
        finally:
            if (folder / "data" / "postmaster.pid").exists():
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binary(name: str) -> str:
    folder = binaries()
    if folder is None:
        raise FileNotFoundError(NOT_INSTALLED)
    return str(folder / name)


def _another_user() -> dict[str, Any]:
    if os.geteuid():
        return {}
    for name in ("postgres", "nobody"):
        try:
            group = pwd.getpwnam(name).pw_gid
        except KeyError:
            continue
        return {"user": name, "group": group, "extra_groups": []}
    raise PermissionError("PostgreSQL does not run as root, and there is no user postgres or nobody")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _run(words: list[str], **options: Any) -> None:
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", timeout=120,
        check=False, **options,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{Path(words[0]).name} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
