"""Storages: locks across processes, also of killed ones, and errors."""

import builtins
import os
import tempfile
import threading
from pathlib import Path

import pytest

from skcnn.exceptions import MissingDependencyError
from skcnn.model_selection._running import storage as storage_module
from skcnn.model_selection._running.storage import MemoryStorage, open_storage
from tests.helpers.processes import LONGEST, hear_parent, names, tell_parent, until

KINDS = ["journal", "sqlite", "postgres"]


@pytest.fixture(params=KINDS)
def place(request, tmp_path):
    """Arguments of `open_storage`."""
    if request.param == "postgres":
        return request.getfixturevalue("server").url(), f"study {tmp_path}"
    paths = {"journal": tmp_path / "a.journal", "sqlite": f"sqlite:///{tmp_path}/a.db"}
    return paths[request.param], "study"


@pytest.fixture(params=KINDS[:2])
def file_place(request, tmp_path):
    """Arguments of `open_storage` for a file."""
    paths = {"journal": tmp_path / "a.journal", "sqlite": f"sqlite:///{tmp_path}/a.db"}
    return paths[request.param], "study"


# Functions of children


def be_a_worker(place):
    storage = open_storage(*place)
    tell_parent(storage.worker)
    hear_parent()
    storage.close()


def hold_the_lock(place):
    with open_storage(*place).locked():
        tell_parent("inside")
        hear_parent()


def count_up(place, path, n_times):
    """Add one to a number in a file, in a way that loses counts unless alone."""
    storage = open_storage(*place)
    tell_parent("ready")
    hear_parent()
    for _ in range(n_times):
        with storage.locked():
            count = int(path.read_text())
            path.write_text("")
            path.write_text(str(count + 1))
    storage.close()


def leave_a_child_behind(place):
    """Fork, as a pool of processes does, and tell both."""
    storage = open_storage(*place)
    there, _ = os.pipe()
    forked = os.fork()
    if forked == 0:
        os.read(there, 1)  # for ever: it can write there itself
    tell_parent((storage.worker, forked))
    hear_parent()


# Locks


def test_own_worker_is_alive_and_an_unknown_one_is_not(place):
    storage = open_storage(*place)
    assert storage.is_alive(storage.worker)
    assert not storage.is_alive("0123456789abcdef")
    storage.close()


def test_two_workers_of_one_process(place):
    one, two = open_storage(*place), open_storage(*place)
    assert one.worker != two.worker
    assert one.is_alive(two.worker)
    assert two.is_alive(one.worker)
    two.close()
    until(lambda: not one.is_alive(two.worker))  # PostgreSQL takes a moment to see it
    one.close()


def test_worker_of_another_process_is_alive_until_it_ends(place, children):
    storage = open_storage(*place)
    child = children(be_a_worker, place)
    worker = child.hear()
    assert storage.is_alive(worker)
    assert storage.is_alive(worker)  # asking does not take its lock away
    child.tell("end")
    child.hear()
    until(lambda: not storage.is_alive(worker))
    storage.close()


def test_killed_worker_is_dead(place, children):
    storage = open_storage(*place)
    child = children(be_a_worker, place)
    worker = child.hear()
    assert storage.is_alive(worker)
    child.kill()
    until(lambda: not storage.is_alive(worker))
    storage.close()


def test_killed_worker_is_dead_though_a_child_of_it_lives(place, children):
    storage = open_storage(*place)
    child = children(leave_a_child_behind, place)
    worker, forked = child.hear()
    try:
        assert storage.is_alive(worker)
        child.kill()
        os.kill(forked, 0)  # it is there
        until(lambda: not storage.is_alive(worker), longest=15)
    finally:
        os.kill(forked, 9)
        storage.close()


def test_lock_is_free_after_its_holder_was_killed(place, children):
    storage = open_storage(*place)
    child = children(hold_the_lock, place)
    assert child.hear() == "inside"
    entered = threading.Event()

    def enter():
        with storage.locked():
            entered.set()

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    assert not entered.is_set()
    child.kill()
    assert entered.wait(LONGEST)
    thread.join(LONGEST)
    storage.close()


def test_only_one_worker_is_inside_the_lock(place, children, tmp_path):
    path = tmp_path / "count"
    path.write_text("0")
    two = [children(count_up, place, path, 15) for _ in range(2)]
    for child in two:
        assert child.hear() == "ready"
    for child in two:
        child.tell("go")
    for child in two:
        child.hear()
    assert path.read_text() == "30"


def test_lock_is_given_back_by_an_exception(place):
    one, two = open_storage(*place), open_storage(*place)
    with pytest.raises(ZeroDivisionError), one.locked():
        raise ZeroDivisionError
    with two.locked():
        pass
    one.close()
    two.close()


def test_closed_worker_leaves_no_file(file_place, tmp_path):
    storage = open_storage(*file_place)
    assert any("worker" in name for name in names(tmp_path))
    storage.close()
    assert not any("worker" in name for name in names(tmp_path))


def test_new_worker_takes_its_lock_inside_the_study_lock(file_place, tmp_path):
    """Else another that sweeps may take the new file, not locked yet, for a dead worker's."""
    one, opened = open_storage(*file_place), []
    before = [name for name in names(tmp_path) if "worker" in name]
    thread = threading.Thread(target=lambda: opened.append(open_storage(*file_place)))
    with one.locked():
        thread.start()
        thread.join(0.2)
        assert [name for name in names(tmp_path) if "worker" in name] == before
    thread.join(LONGEST)
    assert one.is_alive(opened[0].worker)
    assert any(opened[0].worker in name for name in names(tmp_path))
    for storage in (one, *opened):
        storage.close()


def test_file_of_a_killed_worker_is_removed(file_place, children, tmp_path):
    storage = open_storage(*file_place)
    child = children(be_a_worker, file_place)
    worker = child.hear()
    child.kill()
    assert any(worker in name for name in names(tmp_path))
    assert not storage.is_alive(worker)
    assert not any(worker in name for name in names(tmp_path))
    storage.close()


def test_memory_has_one_worker():
    storage = open_storage(None, "study")
    assert isinstance(storage, MemoryStorage)
    assert storage.is_alive(storage.worker)
    assert not storage.is_alive("another")
    with storage.locked():
        pass
    storage.close()


def test_postgres_studies_of_other_names_do_not_wait(server):
    one, two = open_storage(server.url(), "a"), open_storage(server.url(), "b")
    with one.locked(), two.locked():
        pass
    one.close()
    two.close()


def test_postgres_closed_worker_leaves_no_lock(server):
    database = server.new_database()
    storage = open_storage(server.url(database), "study")
    storage.close()
    locks = (
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
        f"WHERE locktype = 'advisory' AND datname = '{database}'"
    )
    until(lambda: server.query(locks) == [(0,)])


def test_postgres_tables_are_made_by_one_at_a_time(server, monkeypatch):
    """Also for two studies of different names: the tables are of the database."""
    database = server.new_database()
    url = server.url(database)
    waiting = (
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
        f"WHERE locktype = 'advisory' AND NOT granted AND datname = '{database}'"
    )
    begun, inside, most_inside = threading.Event(), [], []

    def make_tables(*args, **kwargs):
        inside.append(args)
        most_inside.append(len(inside))
        if len(most_inside) == 1:
            begun.set()
            until(lambda: len(most_inside) > 1 or server.query(waiting) == [(1,)])
        inside.pop()

    monkeypatch.setattr(storage_module, "RDBStorage", make_tables)
    opened = []
    threads = [
        threading.Thread(target=lambda name=name: opened.append(open_storage(url, name)))
        for name in ("a", "b")
    ]
    threads[0].start()
    assert begun.wait(LONGEST)
    threads[1].start()
    for thread in threads:
        thread.join(LONGEST)
    for storage in opened:
        storage.close()
    assert most_inside == [1, 1]


# Places


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg2"])
def test_postgres_urls(server, scheme):
    storage = open_storage(server.url(scheme=scheme), "study")
    assert storage.is_alive(storage.worker)
    storage.close()


@pytest.mark.parametrize("as_text", [True, False], ids=["str", "Path"])
def test_journal_in_a_new_folder(tmp_path, as_text):
    path = tmp_path / "new" / "folder" / "study.journal"
    storage = open_storage(str(path) if as_text else path, "study")
    storage.storage.create_new_study([1], "study")
    storage.close()
    assert path.is_file()


@pytest.mark.parametrize("as_text", [True, False], ids=["str", "Path"])
def test_journal_in_the_home_folder(tmp_path, monkeypatch, as_text):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    path = "~/study.journal"
    storage = open_storage(path if as_text else Path(path), "study")
    storage.storage.create_new_study([1], "study")
    storage.close()
    assert (tmp_path / "study.journal").is_file()
    assert not (tmp_path / "~").exists()


def test_relative_journal_stays_where_it_was_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage = open_storage("study.journal", "study")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    storage.storage.create_new_study([1], "study")
    with storage.locked():
        pass
    storage.close()
    assert (tmp_path / "study.journal").is_file()
    assert names(tmp_path / "other") == []


def test_sqlite_in_a_new_folder(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path}/new/study.db", "study")
    storage.close()
    assert (tmp_path / "new" / "study.db").is_file()


def test_relative_sqlite(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    open_storage("sqlite:///study.db", "study").close()
    assert (tmp_path / "study.db").is_file()


@pytest.mark.parametrize("url", ["mysql://me@host/base", "https://host/study", "postgres://host/a"])
def test_unknown_scheme(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scheme = url.partition("//")[0]
    with pytest.raises(ValueError, match=f"'storage'.*'postgresql://' or 'sqlite:///'.*'{scheme}"):
        open_storage(url, "study")
    assert names(tmp_path) == []


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite://study.db"])
def test_sqlite_without_a_file(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"must name a file, as 'sqlite:///study\.db'"):
        open_storage(url, "study")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("scheme", "module", "package"),
    [
        ("postgresql+psycopg2", "psycopg2", "psycopg2-binary"),
        ("postgresql+psycopg", "psycopg", r"psycopg\[binary\]"),
    ],
)
def test_missing_driver(monkeypatch, scheme, module, package):
    original = builtins.__import__

    def without_driver(name, *args, **kwargs):
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_driver)
    with pytest.raises(MissingDependencyError, match=f"needs {module}: pip install .*{package}"):
        open_storage(f"{scheme}://me@host/base", "study")


def test_missing_driver_of_a_plain_url_is_the_one_to_install(monkeypatch):
    """What the message names is what makes the URL work."""
    original, asked = builtins.__import__, []

    def without_drivers(name, *args, **kwargs):
        top = name.partition(".")[0]
        if top in ("psycopg", "psycopg2"):
            asked.append(top)
            raise ModuleNotFoundError(f"No module named {top!r}", name=top)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_drivers)
    with pytest.raises(MissingDependencyError, match="pip install") as caught:
        open_storage("postgresql://me@host/base", "study")
    package = {"psycopg2": "psycopg2-binary", "psycopg": "psycopg[binary]"}[asked[0]]
    assert package in str(caught.value)


@pytest.mark.parametrize("kind", KINDS[:2])
def test_folder_that_cannot_be_made(kind, tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "study"
    with pytest.raises(OSError, match=r"(?s)(Not a directory|File exists).*file"):
        open_storage(path if kind == "journal" else f"sqlite:///{path}", "study")


@pytest.mark.parametrize("kind", KINDS[:2])
def test_folder_that_cannot_be_written(kind):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "study"
        folder.chmod(0o555)
        user = os.geteuid()
        try:
            if user == 0:  # may write everywhere
                os.seteuid(65534)
            with pytest.raises(PermissionError, match=str(folder)):
                open_storage(path if kind == "journal" else f"sqlite:///{path}", "study")
        finally:
            os.seteuid(user)
            folder.chmod(0o755)


def test_folder_instead_of_a_file(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="which is a folder"):
        open_storage(tmp_path / "folder", "study")


def test_sqlite_that_is_no_database_leaves_no_worker(tmp_path):
    path = tmp_path / "study.db"
    path.write_text("not a database, " * 100)
    with pytest.raises(Exception, match="not a database"):
        open_storage(f"sqlite:///{path}", "study")
    assert not any("worker" in name for name in names(tmp_path))


def test_postgres_that_is_not_there(tmp_path):
    with pytest.raises(Exception, match=str(tmp_path)):
        open_storage(f"postgresql+psycopg2://me@/base?host={tmp_path}", "study")
