"""The whole product on one machine: Postgres, web, worker and inference, started in the right order and kept up.

Knows what each process needs before it may start, and nothing of what it does then. What several processes must agree
on goes into `$GHOST_HOME/stack.env`, which `contracts.settings` reads.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr, ValidationError
from rich.console import Console

from contracts import leash
from contracts.bucket import BucketAway
from contracts.leash import on_leash
from contracts.settings import STACK_FILE, Settings
from sandbox import bundles, ports, voice
from sandbox.console import Step, Steps
from sandbox.postgres import Cluster
from sandbox.standins.server import Addresses
from sandbox.supervisor import Life, Program, Supervisor, configuration

ROOT = Path(__file__).resolve().parents[1]
READY_TIMEOUT_S = 120.0
MAX_EARLY_DEATHS = 5
STOP_TIMEOUT_S = 45.0
OUTSIDE = {name for name in Settings.model_fields if name.startswith(("spotify_", "genius_", "lrclib_"))}
"""Settings that name what stands outside."""


class StackFailed(RuntimeError):
    """The stack cannot start or go on; the message says why and what to do."""


@dataclass(frozen=True)
class Plan:
    """What this start is to be: the settings that every process shares, and which processes we run ourselves.

    `cluster` is None when `DATABASE_URL` names a Postgres of the user's; `runs_inference` is false when `INFERENCE_URL`
    names a service elsewhere. Where no key or address of Spotify, Genius or LRCLIB is set, stand-ins of all three
    listen at `standins_port`.
    """

    settings: Settings
    shared: dict[str, str]
    cluster: Cluster | None
    standins_port: int | None = None

    @property
    def home(self) -> Path:
        """Where everything of this stack lies."""
        return self.settings.home

    @property
    def log_dir(self) -> Path:
        """One file a process."""
        return self.home / "log"

    @property
    def runs_inference(self) -> bool:
        """Whether the inference service is a process of this stack."""
        return not self.settings.inference_url

    @property
    def address(self) -> str:
        """What to type into the browser here."""
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def programs(self) -> dict[str, Program]:
        """What the supervisor keeps up. Postgres is the first to come and the last to go."""
        python = sys.executable
        gunicorn = str(Path(python).with_name("gunicorn"))
        found = [
            Program("web", [gunicorn, "-c", "app/gunicorn.py", "wsgi:app"], tier=20),
            Program("worker", [python, "-m", "worker.cpu"], tier=20),
            Program("trainer", [python, "-m", "worker.gpu"], tier=20, stop_wait_s=15),  # ten are its own to save in
        ]
        if self.standins_port is not None:
            command = [python, "-m", "sandbox.standins", "--port", str(self.standins_port)]
            found.append(Program("standins", command, tier=20))
        if self.runs_inference:
            found.append(Program("inference", [python, "-m", "inference"], tier=20))
        if self.cluster is not None:
            found.append(Program("postgres", self.cluster.command(), tier=10, stop_signal="INT", stop_wait_s=20))
        return {program.name: program for program in found}


def plan() -> Plan:
    """Read the environment and what the last start left behind.

    Raises:
        StackFailed: a setting makes no sense.
    """
    try:
        told = Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise StackFailed(f"the environment is wrong: {wrong}") from None
    if told.port == told.inference_port:
        raise StackFailed(f"PORT and INFERENCE_PORT are both {told.port}; set one of them to another port")
    kept = Settings(_env_file=told.home / STACK_FILE)
    shared = {name.upper(): _plain(getattr(told, name)) for name in told.model_fields_set - {"ghost_home"}}
    cluster = None
    if "DATABASE_URL" not in shared:
        cluster = Cluster(told.home / "postgres", ports.free_port())
        shared["DATABASE_URL"] = cluster.url("ghost")
    shared.setdefault("PORT", str(told.port))
    shared.setdefault("INFERENCE_PORT", str(told.inference_port))
    shared.setdefault("SECRET_KEY", _plain(kept.secret_key) or secrets.token_urlsafe(48))
    shared.setdefault("SERVICE_SECRET", _plain(kept.service_secret) or secrets.token_urlsafe(48))
    shared.setdefault("INFERENCE_PRELOAD", voice.NAME)
    standins_port = None
    if OUTSIDE.isdisjoint(told.model_fields_set):
        standins_port = ports.free_port()
        shared |= Addresses(f"http://127.0.0.1:{standins_port}").environment
    return Plan(told, shared, cluster, standins_port)


def write_stack_file(home: Path, shared: dict[str, str]) -> None:
    """Put down, for our processes and for the `ghost` command, what this stack runs with. Readable by us alone."""
    quoted = {name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in sorted(shared.items())}
    handle, draft = tempfile.mkstemp(dir=home)  # mode 0600
    with os.fdopen(handle, "w") as writing:
        writing.write("# Written by `make run` at every start; what you set in the environment goes before it.\n")
        writing.writelines(f"{name}='{value}'\n" for name, value in quoted.items())
    Path(draft).replace(home / STACK_FILE)


@contextmanager
def sole_user(home: Path) -> Iterator[None]:
    """Keep other stacks off this directory.

    Raises:
        StackFailed: one is there already.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StackFailed(
                f"a stack is already running on {home} (process {lock.read() or 'unknown'}); "
                "stop it, or set GHOST_HOME to another directory"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def check_ports(settings: Settings, *, inference: bool) -> None:
    """Make sure that we can listen where we are meant to.

    Raises:
        StackFailed: somebody else does.
    """
    wanted = {"PORT": settings.port} | ({"INFERENCE_PORT": settings.inference_port} if inference else {})
    for name, port in wanted.items():
        if not ports.is_free(port):
            raise StackFailed(f"port {port} is taken by {ports.holder(port)}; set {name}=... to use another")


class Stack:
    """One start of a plan, from the first process to the last."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self._plan = plan
        self._console = console
        self._steps = Steps(console)
        self._supervisor: Supervisor
        self._environment = (
            os.environ | {"GHOST_HOME": str(plan.home), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"} | leash.environment()
        )

    async def run(self) -> None:
        """Start everything, say where it is, and keep it up until cancelled.

        Raises:
            StackFailed: a step failed, or something does not come up; all that was started is stopped again.
        """
        self._plan.log_dir.mkdir(exist_ok=True)
        if not self._plan.settings.bucket_url:
            (self._plan.home / "bucket").mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="ghost-rhymes-") as folder:
            socket = Path(folder) / "supervisor.sock"
            config = Path(folder) / "supervisor.conf"
            programs = list(self._plan.programs.values())
            config.write_text(configuration(programs, directory=ROOT, log_dir=self._plan.log_dir, socket=socket))
            supervisord = await asyncio.create_subprocess_exec(
                *on_leash([sys.executable, "-m", "supervisor.supervisord", "-c", str(config)]),
                cwd=ROOT,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C is for us: we stop it in our own time
            )
            self._supervisor = Supervisor(socket)
            try:
                async with asyncio.TaskGroup() as tasks:
                    ended = tasks.create_task(_fail_when_ended(supervisord))
                    with self._steps.shown():
                        await self._start()
                    self._say_ready()
                    await self._watch()
                    ended.cancel()
            finally:
                await _end(supervisord, STOP_TIMEOUT_S)

    async def _start(self) -> None:
        while not self._supervisor.is_up():
            await asyncio.sleep(0.02)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._voice())
            page = tasks.create_task(self._page())
            await self._database()
            if self._plan.standins_port is not None:
                self._supervise("standins")
            self._supervise("worker")
            await page
            self._supervise("web")
        with self._steps.step("stack", "waiting for web, worker and inference") as step:
            await self._until_ready()
            step.note("web, worker and inference are up")
        self._supervise("trainer")  # last: nobody trains within the first second, and the cores are few

    async def _database(self) -> None:
        with self._steps.step("database", "starting Postgres") as step:
            cluster = self._plan.cluster
            if cluster is not None:
                self._supervise("postgres")
                await self._answering(cluster)
                cluster.ensure_database("ghost")
            step.note("migrating")
            await self._do(step, [sys.executable, "-m", "alembic", "upgrade", "head"], log="migrate")
            step.note(f"Postgres 18 on port {cluster.port}" if cluster else "the Postgres of DATABASE_URL")

    async def _answering(self, cluster: Cluster) -> None:
        deaths = Deaths()
        while not await asyncio.to_thread(cluster.answers):
            self._give_up_after(deaths)
            await asyncio.sleep(0.03)

    async def _voice(self) -> None:
        if not self._plan.runs_inference:
            return
        with self._steps.step("voice", "looking for the demo voice") as step:
            try:
                is_there = await asyncio.to_thread(voice.is_there, self._plan.settings)
            except BucketAway as error:
                raise StackFailed(f"{error}; see BUCKET_URL") from None
            if not is_there:
                step.note("putting SmolLM2-135M-Instruct and Cowboy into the bucket, once")
                await self._do(step, [sys.executable, "-m", "sandbox.voice"], log="voice")
            step.note("SmolLM2-135M-Instruct and Cowboy are in the bucket")
        self._supervise("inference")

    async def _page(self) -> None:
        with self._steps.step("page", "looking at the front end's sources") as step:
            if not bundles.are_fresh():
                step.note("building the front end")
                await self._do(step, [sys.executable, "-m", "sandbox.bundles"], log="bundles")
            step.note("the front end is built")

    def _supervise(self, name: str) -> None:
        self._supervisor.start(self._plan.programs[name])

    async def _do(self, step: Step, command: Sequence[str], *, log: str) -> None:
        """Run a step's command to its end. It may tell its progress by lines `progress DONE TOTAL WHAT`."""
        path = self._plan.log_dir / f"{log}.log"
        child = await asyncio.create_subprocess_exec(
            *on_leash(command),
            cwd=ROOT,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            with path.open("wb") as writing:
                assert child.stdout is not None  # noqa: S101 (we asked for a pipe)
                async for line in child.stdout:
                    if line.startswith(voice.PROGRESS):
                        _, done, total, what = line.decode().strip().split(maxsplit=3)
                        step.update(what, int(done), int(total))
                    else:
                        writing.write(line)
            if await child.wait() != 0:
                raise StackFailed(f"`{' '.join(command[1:])}` failed. The end of {path}:\n{_tail(path)}")
        finally:
            await _end(child, 5.0)

    async def _until_ready(self) -> None:
        deaths = Deaths()
        deadline = time.monotonic() + READY_TIMEOUT_S
        answer = "no answer"
        while time.monotonic() < deadline:
            is_ready, answer = await asyncio.to_thread(_ask, f"{self._plan.address}/ready")
            if is_ready:
                return
            self._give_up_after(deaths)
            await asyncio.sleep(0.25)
        tails = "\n".join(f"The end of {p}:\n{_tail(p)}" for p in self._logs())
        raise StackFailed(
            f"not ready after {READY_TIMEOUT_S:.0f} s; {self._plan.address}/ready said: {answer}\n{tails}"
        )

    def _logs(self) -> list[Path]:
        paths = (self._plan.log_dir / f"{name}.log" for name in self._plan.programs)
        return [path for path in paths if path.exists()]

    def _give_up_after(self, deaths: Deaths) -> None:
        for life in deaths.since_last(self._supervisor.lives()):
            path = self._plan.log_dir / f"{life.name}.log"
            if deaths.count[life.name] >= MAX_EARLY_DEATHS:
                raise StackFailed(
                    f"{life.name} ended {MAX_EARLY_DEATHS} times without coming up. The end of {path}:\n{_tail(path)}"
                )

    def _say_ready(self) -> None:
        self._tell(
            f"\n  Ghost Rhymes is at [bold]{self._plan.address}[/]  [dim]"
            f"(ready in {self._steps.elapsed_s:.1f} s; logs in {self._plan.log_dir}; Ctrl-C stops everything)[/]\n"
        )

    def _tell(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)

    async def _watch(self) -> None:
        """Tell of every process that had to be started again, for ever."""
        deaths = Deaths()
        while True:
            for life in deaths.since_last(await asyncio.to_thread(self._supervisor.lives)):
                log = self._plan.log_dir / f"{life.name}.log"
                self._tell(f"{time.strftime('%H:%M:%S')}  {life.name} ended and was started again; see {log}")
            await asyncio.sleep(1.0)


class Deaths:
    """Counts, from one look at the processes to the next, who was replaced."""

    def __init__(self) -> None:
        self.count: dict[str, int] = {}
        self._last: dict[str, Life] = {}

    def since_last(self, lives: Sequence[Life]) -> list[Life]:
        """The new incarnations of programs that had another one when last seen alive."""
        alive = [life for life in lives if life.process_id]
        again = [
            life for life in alive if life.name in self._last and self._last[life.name].process_id != life.process_id
        ]
        for life in again:
            self.count[life.name] = self.count.get(life.name, 0) + 1
        self._last |= {life.name: life for life in alive}
        return again


async def _fail_when_ended(supervisord: asyncio.subprocess.Process) -> None:
    status = await supervisord.wait()
    raise StackFailed(f"the supervisor ended (exit status {status}) and took everything with it; start again")


async def _end(child: asyncio.subprocess.Process, patience_s: float) -> None:
    """End a child that leads a session of its own, with all its kin if it must be."""
    if child.returncode is not None:
        return
    child.terminate()
    try:
        async with asyncio.timeout(patience_s):
            await child.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()


def _ask(url: str) -> tuple[bool, str]:
    """Whether a page answers 200, and its first words otherwise."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 (our own http address)
            return answer.status == 200, ""
    except urllib.error.HTTPError as error:
        return False, f"{error.code} {error.read(500).decode(errors='replace')}"
    except OSError as error:
        return False, str(error)


def _tail(path: Path, num_lines: int = 20) -> str:
    return "\n".join(f"  | {line}" for line in path.read_text(errors="replace").splitlines()[-num_lines:])


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
