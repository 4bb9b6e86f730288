"""Start and stop a throwaway PostgreSQL server, in a temporary folder, on a unix socket.

``python -m tests.helpers.postgres`` starts one, prints its URL and stops it on Ctrl-C.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")
NEEDED = ("initdb", "pg_ctl", "postgres")
USER = "postgres"
MISSING = (
    f"no PostgreSQL server: {', '.join(NEEDED)} are neither on PATH nor in {DEBIAN}/*/bin "
    "(Debian: apt-get install postgresql)"
)


def find_binaries() -> Path | None:
    """Return the folder of initdb, pg_ctl and postgres, or None."""
    on_path = shutil.which("pg_ctl")
    folders = [] if on_path is None else [Path(on_path).resolve().parent]
    if DEBIAN.is_dir():
        newest = sorted(DEBIAN.iterdir(), key=lambda folder: (len(folder.name), folder.name))
        folders += [folder / "bin" for folder in reversed(newest)]
    for folder in folders:
        if all((folder / name).is_file() for name in NEEDED):
            return folder
    return None


class Server:
    """A running server.

    Parameters
    ----------
    folder : str
        Where its socket is.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._n_databases = 0

    def url(self, database: str = "postgres", scheme: str = "postgresql+psycopg2") -> str:
        """Return the URL of a database."""
        return f"{scheme}://{USER}@/{database}?host={self.folder}"

    def query(self, sql: str, database: str = "postgres") -> list[tuple]:
        """Return the rows of a query on a connection of its own."""
        import psycopg2

        connection = psycopg2.connect(dbname=database, user=USER, host=self.folder)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def new_database(self) -> str:
        """Make an empty database; return its name."""
        self._n_databases += 1
        name = f"fresh{self._n_databases}"
        self.query(f"CREATE DATABASE {name}")
        return name


@contextmanager
def running_server(binaries: Path) -> Iterator[Server]:
    """Run a server until the end of the block."""
    folder = tempfile.mkdtemp(prefix="skcnn-pg-", dir="/tmp")  # a socket's path is short
    account = {}
    if os.geteuid() == 0:  # initdb refuses to run as root
        account = {"user": USER, "group": USER, "extra_groups": []}  # Debian's package made it
        shutil.chown(folder, USER, USER)

    def call(program: str, *arguments: str) -> None:
        with open(os.path.join(folder, "output"), "ab") as output:
            done = subprocess.run(
                [binaries / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                **account,
            )
        if done.returncode:
            shown = Path(folder, "output").read_text(errors="replace")
            raise RuntimeError(f"{program} failed:\n{shown}")

    data, log = os.path.join(folder, "data"), os.path.join(folder, "log")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    try:
        settings = ("-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        call("initdb", "-D", data, "-U", USER, *settings)
        try:
            call("pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
            yield Server(folder)
        finally:
            if os.path.exists(os.path.join(data, "postmaster.pid")):
                call("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Run a server until Ctrl-C."""
    binaries = find_binaries()
    if binaries is None:
        sys.exit(MISSING)
    with running_server(binaries) as server:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        print(server.url(), flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
