"""Storages of studies, with locks by which several processes share one study.

A study is in memory, in a journal file, or in a database. The locks are held by the
operating system or by a database session, which release them if the process is killed. So a
worker whose lock is free has died.
"""

import glob
import hashlib
import os
import secrets
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from skcnn._utils.compat import InvalidParameterError
from skcnn.exceptions import MissingDependencyError

JOURNAL_BEGIN = b'{"op_code"'
PLAIN_POSTGRES = "postgresql"
DRIVERS = {
    PLAIN_POSTGRES: "psycopg2-binary",
    "postgresql+psycopg2": "psycopg2-binary",
    "postgresql+psycopg": '"psycopg[binary]"',
    "sqlite": "",
}


class StudyStorage(ABC):
    """A storage, a lock for the study, and a lock for each worker.

    Attributes
    ----------
    storage : BaseStorage
        Optuna's storage.
    worker : str
        The name of this worker.
    """

    storage: BaseStorage

    def __init__(self) -> None:
        self.worker = secrets.token_hex(8)

    @abstractmethod
    def locked(self) -> Any:
        """Return a context that only one worker at a time can be in."""

    @abstractmethod
    def is_alive(self, worker: str) -> bool:
        """Return whether a worker still runs."""

    @abstractmethod
    def close(self) -> None:
        """Release this worker's lock."""


class MemoryStorage(StudyStorage):
    """A study in the memory of this process."""

    def __init__(self) -> None:
        super().__init__()
        self.storage = InMemoryStorage()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Do nothing: no other worker shares the study."""
        yield

    def is_alive(self, worker: str) -> bool:
        """Return whether it is this worker."""
        return worker == self.worker

    def close(self) -> None:
        """Do nothing: there is no lock."""


class KernelLock:
    """A lock of Optuna's journal that is released when its process is killed.

    Optuna's own locks are files, which a killed process leaves behind.

    Parameters
    ----------
    path : str
        The journal.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock: FileLock | None = None

    def acquire(self) -> bool:
        """Wait for the lock, and drop an incomplete last line that a killed process left."""
        self._lock = FileLock(f"{self._path}.lock")
        self._lock.acquire()
        _drop_half_line(self._path)
        return True

    def release(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None  # so that the storage can be pickled


def _drop_half_line(path: str) -> None:
    with open(path, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        size = end
        while size > 0:
            file.seek(size - 1)
            if file.read(1) == b"\n":
                break
            size -= 1
        if size < end:
            file.truncate(size)


class _FileLocks(StudyStorage):
    """Locks in files next to a study's file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._own = FileLock(self._path_of(self.worker))
        with self.locked():  # or another worker's sweep might remove a file that is not locked yet
            self._own.acquire()
            self._sweep()

    def _sweep(self) -> None:
        """Remove the files of dead workers."""
        begin = self._path_of("")
        for path in glob.glob(f"{glob.escape(begin)}*"):
            self.is_alive(path.removeprefix(begin))

    def _path_of(self, worker: str) -> str:
        return f"{self.path}.worker-{worker}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the study's lock."""
        with FileLock(f"{self.path}.study-lock"):
            yield

    def is_alive(self, worker: str) -> bool:
        """Return whether the worker's lock is held."""
        path = self._path_of(worker)
        if worker == self.worker:
            return True
        if not os.path.exists(path):
            return False
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            return True
        _remove(path)
        return False

    def close(self) -> None:
        """Release this worker's lock and remove its file."""
        self._own.release()
        _remove(self._path_of(self.worker))


def _remove(path: str) -> None:
    with suppress(OSError):
        os.remove(path)


class JournalFile(_FileLocks):
    """A study in a journal file.

    Parameters
    ----------
    path : Path
        The file, made if it does not exist, with its folder.
    """

    def __init__(self, path: Path) -> None:
        if not _may_be_journal(path):
            raise ValueError(
                f"The 'storage' parameter must be the path of a journal file. Got {path}, "
                f"which is {'a folder' if path.is_dir() else 'another kind of file'}."
            )
        super().__init__(path)
        lock: Any = KernelLock(str(path))
        try:
            self.storage = JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
        except BaseException:
            self.close()
            raise


def _may_be_journal(path: Path) -> bool:
    """Return whether a file does not exist, is empty, or begins like Optuna's journals."""
    if not path.exists():
        return True
    if path.is_dir():
        return False
    with path.open("rb") as file:
        begin = file.read(len(JOURNAL_BEGIN))
    return JOURNAL_BEGIN.startswith(begin)


class SqliteFile(_FileLocks):
    """A study in a SQLite file.

    Parameters
    ----------
    url : str
        Of the form ``sqlite:///path``.
    """

    def __init__(self, url: str) -> None:
        super().__init__(Path(url.split("///", 1)[1]))
        try:
            with self.locked():  # only one process may create the tables
                self.storage = RDBStorage(url)
        except BaseException:
            self.close()
            raise


_OPEN_SESSIONS: "weakref.WeakSet[PostgresStudy]" = weakref.WeakSet()


def _leave_sessions() -> None:
    """Detach a forked process from the parent's sessions, or it would keep them open."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for study in _OPEN_SESSIONS:
        with suppress(Exception):  # some are closed already
            driver: Any = study._session.connection.driver_connection
            os.dup2(nowhere, driver.fileno())
    os.close(nowhere)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_sessions)


class PostgresStudy(StudyStorage):
    """A study in a PostgreSQL database, whose locks end with the session that holds them.

    Parameters
    ----------
    url : str
        Of the form ``postgresql://user:password@host/database``.
    study_name : str
        Name of the study; studies of other names have other locks.
    """

    def __init__(self, url: str, study_name: str) -> None:
        super().__init__()
        from sqlalchemy import create_engine, text
        from sqlalchemy.exc import DBAPIError
        from sqlalchemy.pool import NullPool

        self._text, self._lost = text, DBAPIError
        self._engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._study_key = _advisory_key(f"study {study_name}")
        self._worker_key = _advisory_key(f"worker {self.worker}")
        self._connect()
        try:
            tables = _advisory_key("tables")
            self._ask("pg_advisory_lock", tables)  # one process creates the tables
            self.storage = RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
            self._ask("pg_advisory_unlock", tables)
        except BaseException:
            self.close()
            raise

    def _connect(self) -> None:
        """Open a session that holds this worker's lock."""
        self._session = self._engine.connect()
        _OPEN_SESSIONS.add(self)
        self._ask("pg_advisory_lock", self._worker_key)

    def _ask(self, function: str, key: int) -> Any:
        statement = self._text(f"SELECT {function}(:key)")
        return self._session.execute(statement, {"key": key}).scalar()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the study's lock, in a new session if the database ended the last one."""
        try:
            self._ask("pg_advisory_lock", self._study_key)
        except self._lost as error:
            if not error.connection_invalidated:
                raise
            self._session.close()
            self._connect()
            self._ask("pg_advisory_lock", self._study_key)
        try:
            yield
        finally:
            with suppress(self._lost):  # a lost session holds no lock
                self._ask("pg_advisory_unlock", self._study_key)

    def is_alive(self, worker: str) -> bool:
        """Return whether the worker's session is open."""
        if worker == self.worker:
            return True
        key = _advisory_key(f"worker {worker}")
        if not self._ask("pg_try_advisory_lock", key):
            return True
        self._ask("pg_advisory_unlock", key)
        return False

    def close(self) -> None:
        """Close the session, which releases its locks."""
        self._session.close()


def _advisory_key(text: str) -> int:
    """Return the signed 64-bit integer that names a lock of PostgreSQL."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)


def open_storage(storage: Any, study_name: str) -> StudyStorage:
    """Return the storage for the parameter `storage` of a search.

    Parameters
    ----------
    storage : None, str or Path
        Memory, a journal file's path, or the URL of a database.
    study_name : str
        The study's name.

    Raises
    ------
    InvalidParameterError
        If the URL is not of PostgreSQL or SQLite.
    MissingDependencyError
        If the database's driver is not installed.
    """
    if storage is None:
        return MemoryStorage()
    scheme, separator, _ = str(storage).partition("://")
    if not separator:
        return JournalFile(Path(storage).expanduser().absolute())
    if scheme not in DRIVERS:
        raise InvalidParameterError(
            "The 'storage' parameter must be None, the path of a journal file, or a URL that "
            "begins with 'postgresql://' or 'sqlite:///'. Got one that begins with "
            f"{scheme + '://'!r} instead."
        )
    if scheme == "sqlite":
        if not str(storage).startswith("sqlite:///") or str(storage) == "sqlite:///":
            raise InvalidParameterError(
                "The 'storage' parameter must name a file, as 'sqlite:///study.db', where it "
                f"is a URL of SQLite. Got {storage!r} instead."
            )
        return SqliteFile(str(storage))
    url = str(storage)
    if scheme == PLAIN_POSTGRES:  # SQLAlchemy's default driver depends on its version
        url = url.replace(scheme, f"{scheme}+psycopg2", 1)
    try:
        return PostgresStudy(url, study_name)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"storage={scheme}://... needs {error.name}: pip install {DRIVERS[scheme]}."
        ) from error


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Silence Optuna's messages about studies and trials, unless their level was changed."""
    before = optuna.logging.get_verbosity()
    if before == optuna.logging.INFO:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
