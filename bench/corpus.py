"""Imports against the stand-ins: ours and a plain sequential loop over lyricsgenius, of the same list in one run.

    python -m bench.corpus --songs 1000 --latency-ms 120 --rate-limit 10/s --json bench/out/corpus.jsonl
    python -m bench.corpus --songs 300 --kills 20     the worker is killed 20 times over one import
    python -m bench.corpus --memory                   50,000 songs of one JSONL: import, copies, freeze

Prints a line for each system and writes one JSON object a line. `songs_per_s` is the whole job, from being asked for to
its end, copies and all; `reimport_s` is the same list into another dataset. `settled_share` are songs of which
something is known in the end, `right_share` those of which the right thing is; `num_wrong` have another song's words,
and `num_wrong_to_check` too, but are put up for review. With a rate limit ours runs twice: where nothing binds, beside
the sequential loop, and within the limit, where `share_of_limit` says how much of it was used.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

import httpx
import lyricsgenius
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, select, update
from sqlalchemy.orm import Session

from bench.kills import kill_often, repeated
from contracts.bucket import LocalBucket
from contracts.manifest import upload_key
from models import Dataset, DatasetVersion, Job, JobState, Rights, Song, SongState, User
from models.queue import defer
from sandbox import postgres
from sandbox.standins.songs import CATALOGUE, lyric, noisy
from sandbox.standins.songs import Song as Invented

ROOT = Path(__file__).parents[1]
POLL_S = 0.02
NEAR_COPY_EVERY = 50


class WorkerProcess:
    """`python -m worker.cpu`, and how much memory it has taken."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        self._from = log.stat().st_size if log.exists() else 0
        with log.open("ab") as writing:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "worker.cpu"], cwd=ROOT, env=dict(environment), stdout=writing, stderr=writing
            )

    def wait_until_ready(self) -> None:
        """Until it fetches jobs."""
        while b"worker.started" not in self._log.read_bytes()[self._from :]:
            if self._process.poll() is not None:
                raise RuntimeError(self._log.read_text()[-2000:])
            time.sleep(POLL_S)

    def kill(self) -> None:
        """At once."""
        self._process.kill()
        self._process.wait()

    def peak_mb(self) -> float:
        """Resident memory at its highest; the kernel keeps the figure. Linux alone has it."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


@dataclass
class Place:
    """A Postgres, a bucket and the stand-ins, all of this run alone."""

    engine: Engine
    home: Path
    environment: dict[str, str]
    base: str
    """Address of the stand-ins."""

    def turn(self, **knobs: float) -> None:
        """Have the stand-ins of lyrics behave so."""
        httpx.post(f"{self.base}/knobs", json={"genius": knobs, "lrclib": knobs}).raise_for_status()

    def calls(self) -> list[tuple[str, str]]:
        """Service and what was asked, of all calls so far."""
        found = httpx.get(f"{self.base}/calls", timeout=60).json()["calls"]
        return [(call["service"], call["what"]) for call in found]

    def forget_calls(self) -> None:
        """Empty the log."""
        httpx.delete(f"{self.base}/calls").raise_for_status()

    @contextmanager
    def worker(self, **settings: float) -> Iterator[WorkerProcess]:
        """A real worker."""
        worker = self.start(**settings)
        try:
            worker.wait_until_ready()
            yield worker
        finally:
            worker.kill()

    def start(self, **settings: float) -> WorkerProcess:
        """A real worker that the caller ends."""
        told = {name.upper(): str(value) for name, value in settings.items()}
        return WorkerProcess(self.environment | told, self.home / "worker.log")

    def start_ready(self) -> WorkerProcess:
        """One that fetches jobs already."""
        worker = self.start()
        worker.wait_until_ready()
        return worker

    def new_user(self) -> UUID:
        """Somebody who has looked nothing up yet."""
        with Session(self.engine) as session, session.begin():
            user = User(email=f"{uuid4()}@example.org")
            session.add(user)
            session.flush()
            return user.id

    def ask(self, user_id: UUID, kind: str, dataset_id: UUID | None = None, /, **request: Any) -> tuple[UUID, UUID]:
        """Queue a job, on a new dataset unless one is named; returns dataset and job."""
        with Session(self.engine) as session, session.begin():
            if dataset_id is None:
                dataset = Dataset(user_id=user_id, name="bench")
                session.add(dataset)
                session.flush()
                dataset_id = dataset.id
            job = Job(user_id=user_id, dataset_id=dataset_id, kind=kind, request=request)
            session.add(job)
            defer(session, job)
            return dataset_id, job.id

    def wait(self, job_id: UUID) -> float:
        """Wait until a job is over; returns the seconds since it was asked for."""
        while True:
            with Session(self.engine) as session:
                job = session.get_one(Job, job_id)
                if job.state.is_over:
                    if job.state is not JobState.DONE:
                        raise RuntimeError(f"the job ended as {job.state}: {job.error}")
                    assert job.finished_at
                    return (job.finished_at - job.created_at).total_seconds()
            time.sleep(POLL_S)

    def songs(self, dataset_id: UUID) -> list[Song]:
        """In their order."""
        with Session(self.engine, expire_on_commit=False) as session:
            query = select(Song).where(Song.dataset_id == dataset_id).order_by(Song.position)
            return list(session.scalars(query))


@contextmanager
def place() -> Iterator[Place]:
    """All that a run needs, and nothing of it afterwards."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-corpus-")))
        home.chmod(0o755)
        (home / "postgres").mkdir()
        cluster = stack.enter_context(postgres.running(home / "postgres"))
        cluster.ensure_database("bench")
        url = cluster.url("bench")
        alembic = Config(ROOT / "alembic.ini")
        alembic.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
        command.upgrade(alembic, "head")
        standins = subprocess.Popen(
            [sys.executable, "-m", "sandbox.standins", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        stack.callback(standins.wait)
        stack.callback(standins.terminate)
        assert standins.stdout
        base = standins.stdout.readline().split()[-1]
        outside = dict(standins.stdout.readline().strip().split("=", 1) for _ in range(5))
        (home / "bucket").mkdir()
        engine = create_engine(url)
        stack.callback(engine.dispose)
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        yield Place(engine, home, keep | outside | {"DATABASE_URL": url, "GHOST_HOME": str(home)}, base)


# --- what is looked for, and what would be right ---------------------------------------------------------------------


def tracks_of(num_songs: int) -> list[dict[str, Any]]:
    """The stand-ins' songs as playlists write them."""
    written = (noisy(song) for song in CATALOGUE.songs[:num_songs])
    return [{"artist": artist, "title": title, "duration_s": float(length)} for artist, title, length in written]


Verdict = Literal["right", "wrong", "missed"]


def judged(song: Invented, text: str | None, state: SongState | None = None) -> Verdict:
    """Whether a text, or that there is none, is right for a song. `wrong` are the words of another."""
    if text:
        lines = [line.strip(" ,") for line in song.text.splitlines() if line and not line.startswith("[")]
        return "right" if lines and lines[0] in text and lines[-1] in text else "wrong"
    is_nowhere = not (song.on_genius and song.is_complete and not song.is_challenged) and not song.on_lrclib
    is_so = song.is_instrumental or is_nowhere
    return "right" if is_so and state is not SongState.WANTED else "missed"


# --- the systems -----------------------------------------------------------------------------------------------------


def run_ours(here: Place, num_songs: int, latency_ms: float, rate_per_s: float) -> dict[str, Any]:
    """One import and one more of the same list, by a real worker."""
    here.turn(latency_ms=latency_ms, rate_per_s=rate_per_s)
    here.forget_calls()
    user_id, tracks = here.new_user(), tracks_of(num_songs)
    with here.worker(genius_calls_per_s=rate_per_s, lrclib_calls_per_s=rate_per_s) as worker:
        dataset_id, job_id = here.ask(user_id, "import", kind="tracks", tracks=tracks)
        seconds = here.wait(job_id)
        services = [service for service, _ in here.calls()]
        _, again_id = here.ask(user_id, "import", kind="tracks", tracks=tracks)
        reimport_s = here.wait(again_id)
        peak_mb = worker.peak_mb()
    songs = here.songs(dataset_id)
    verdicts = [judged(i, s.text, s.state) for i, s in zip(CATALOGUE.songs, songs, strict=False)]
    busiest = max(services.count("genius"), services.count("lrclib"))
    figures = {
        "system": "ours",
        "songs": len(songs),
        "songs_per_s": round(len(songs) / seconds, 2),
        "settled_share": round(sum(song.state.is_settled for song in songs) / len(songs), 4),
        "found_share": round(sum(song.state is SongState.FOUND for song in songs) / len(songs), 4),
        "right_share": round(verdicts.count("right") / len(songs), 4),
        "num_wrong": sum(v == "wrong" and s.state is SongState.FOUND for v, s in zip(verdicts, songs, strict=True)),
        "num_wrong_to_check": sum(
            v == "wrong" and s.state is SongState.CHECK for v, s in zip(verdicts, songs, strict=True)
        ),
        "reimport_s": round(reimport_s, 2),
        "calls": len(services),
        "calls_again": len(here.calls()) - len(services),
        "latency_ms": latency_ms,
        "rate_limit_per_s": rate_per_s,
        "peak_mb": round(peak_mb),
    }
    if rate_per_s:
        figures["share_of_limit"] = round(busiest / seconds / rate_per_s, 4)
    return figures


def run_sequential(here: Place, num_songs: int, latency_ms: float) -> dict[str, Any]:
    """What one writes first: a loop over `search_song`, without its pause after each call."""
    here.turn(latency_ms=latency_ms, rate_per_s=0)
    here.forget_calls()
    seconds, texts = _loop(here, num_songs)
    verdicts = [judged(song, text) for song, text in zip(CATALOGUE.songs, texts, strict=False)]
    return {
        "system": "sequential",
        "songs": num_songs,
        "songs_per_s": round(num_songs / seconds, 2),
        "settled_share": round(sum(text is not None for text in texts) / num_songs, 4),
        "right_share": round(
            sum(v == "right" and bool(t) for v, t in zip(verdicts, texts, strict=True)) / num_songs, 4
        ),
        "num_wrong": verdicts.count("wrong"),
        "reimport_s": round(seconds, 2),  # it remembers nothing: again is as long as once
        "latency_ms": latency_ms,
        "rate_limit_per_s": 0,
    }


def _loop(here: Place, num_songs: int) -> tuple[float, list[str | None]]:
    client = lyricsgenius.Genius("sandbox", sleep_time=0)
    client.API_ROOT, client.WEB_ROOT = f"{here.base}/genius/api/", f"{here.base}/genius/web/"
    client.PUBLIC_API_ROOT = f"{client.WEB_ROOT}api/"
    texts: list[str | None] = []
    began = time.monotonic()
    for track in tracks_of(num_songs):
        try:
            song = client.search_song(track["title"], track["artist"])
        except Exception:  # noqa: BLE001 (whatever it is, the plain loop goes on)
            song = None
        texts.append(str(song.lyrics) if song is not None and song.lyrics else None)
    return time.monotonic() - began, texts


def run_kills(here: Place, num_songs: int, latency_ms: float, num_kills: int) -> dict[str, Any]:
    """One import under a worker that is killed again and again, held against one that nobody disturbs."""
    here.turn(latency_ms=latency_ms, rate_per_s=0)
    tracks = tracks_of(num_songs)
    with here.worker():
        calm_id, job_id = here.ask(here.new_user(), "import", kind="tracks", tracks=tracks)
        here.wait(job_id)
    here.forget_calls()
    dataset_id, job_id = here.ask(here.new_user(), "import", kind="tracks", tracks=tracks)
    began = time.monotonic()
    moments = kill_often(
        here.engine,
        job_id,
        here.start_ready,
        lambda: len(here.calls()),
        num_kills=num_kills,
        seed=4,
        within_s=600,
    )
    seconds = time.monotonic() - began
    with Session(here.engine) as session:
        state = session.get_one(Job, job_id).state
    calm, disturbed = here.songs(calm_id), here.songs(dataset_id)
    return {
        "system": "killed",
        "songs": num_songs,
        "kills": num_kills,
        "killed_at": [moment.num_settled for moment in moments],
        "state": state.value,
        "is_same": [_content(song) for song in calm] == [_content(song) for song in disturbed],
        "num_twice": len(disturbed) - len({song.track_key for song in disturbed}),
        "num_repeated_calls": len(repeated(here.calls(), moments)),
        "seconds": round(seconds, 1),
    }


def _content(song: Song) -> tuple[object, ...]:
    return (
        song.position, song.track_key, song.state, song.source, song.url, song.matched_artist, song.matched_title,
        song.score, song.why, song.original, song.text, song.content_sha, song.language, song.is_explicit,
    )  # fmt: skip


def run_memory(here: Place, num_songs: int) -> dict[str, Any]:
    """One JSONL of many songs: import, copies, freeze."""
    file = here.home / "songs.jsonl"
    with file.open("w") as writing:
        for number in range(num_songs):
            text = lyric(number, "en")
            if number % NEAR_COPY_EVERY == NEAR_COPY_EVERY - 1:
                text = lyric(number - 1, "en") + "\nand that was all of it"
            record = {"artist": f"Artist {number % 997}", "title": f"Song {number}", "text": text}
            writing.write(json.dumps(record) + "\n")
    user_id = here.new_user()
    key = upload_key(user_id, uuid4())
    size_mb = file.stat().st_size / 1e6
    LocalBucket(here.home / "bucket").upload(key, file)
    file.unlink()
    with here.worker() as worker:
        dataset_id, job_id = here.ask(user_id, "import", kind="upload", key=key, name="songs.jsonl")
        import_s, import_mb = here.wait(job_id), worker.peak_mb()
        with Session(here.engine) as session, session.begin():
            session.execute(update(Song).where(Song.dataset_id == dataset_id).values(rights=Rights.MINE))
        _, job_id = here.ask(user_id, "freeze", dataset_id)
        freeze_s, peak_mb = here.wait(job_id), worker.peak_mb()
    with Session(here.engine) as session:
        manifest = session.scalars(select(DatasetVersion.manifest)).one()
    return {
        "system": "memory",
        "songs": num_songs,
        "size_mb": round(size_mb, 1),
        "frozen": manifest["counts"]["songs"],
        "copies": num_songs - manifest["counts"]["songs"],
        "import_s": round(import_s, 1),
        "freeze_s": round(freeze_s, 1),
        "import_peak_mb": round(import_mb),
        "peak_mb": round(peak_mb),
    }


def main() -> None:
    """Read the dials, run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=1000, help=f"of the {len(CATALOGUE.songs)} invented ones")
    parser.add_argument("--latency-ms", type=float, default=120.0)
    parser.add_argument("--rate-limit", default="", help="calls a second of each source, as 10/s")
    parser.add_argument("--kills", type=int, default=0, help="kill the worker so often over one import, nothing else")
    parser.add_argument(
        "--memory", type=int, nargs="?", const=50_000, default=0, help="songs of one JSONL, nothing else"
    )
    parser.add_argument("--json", type=Path, help="where to write the figures")
    dials = parser.parse_args()
    rate_per_s = float(dials.rate_limit.removesuffix("/s") or 0)
    lines: list[dict[str, Any]] = []

    def tell(figures: dict[str, Any]) -> None:
        lines.append(figures)
        print("  ".join(f"{name}={value}" for name, value in figures.items()), flush=True)

    with place() as here:
        if dials.memory:
            tell(run_memory(here, dials.memory))
        elif dials.kills:
            tell(run_kills(here, dials.songs, dials.latency_ms, dials.kills))
        else:
            tell(run_ours(here, dials.songs, dials.latency_ms, 0))
            tell(run_sequential(here, dials.songs, dials.latency_ms))
            print(f"ours is {lines[0]['songs_per_s'] / lines[1]['songs_per_s']:.1f} times as fast")
            if rate_per_s:
                tell(run_ours(here, dials.songs, dials.latency_ms, rate_per_s))
    if dials.json:
        dials.json.parent.mkdir(parents=True, exist_ok=True)
        dials.json.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


if __name__ == "__main__":
    main()
