"""What the API answers about datasets, jobs and linked accounts, as types: for its description alone."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from app.routes.answers import Json
from app.routes.datasets import DatasetChange, NewDataset, NewImport, Review, RightsStated
from corpus.drift import DriftCard


class JobShown(BaseModel):
    """Queued work. `num_total` is null while nobody knows; `run_after` tells when one that waits goes on; `run_id` is
    the training that it does."""

    id: str
    dataset_id: str | None
    dataset_name: str | None
    run_id: str | None
    kind: Literal["import", "tidy", "freeze", "probe", "train", "drift"]
    words: str
    state: Literal["queued", "running", "waiting", "done", "failed", "cancelled"]
    stage: str
    num_done: int
    num_total: int | None
    counts: Json
    log: list[Json]
    error: str | None
    cancel_asked: bool
    run_after: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class JobList(BaseModel):
    """Your jobs: those that are not over, then the others, the newest first."""

    jobs: list[JobShown]


class JobAsked(BaseModel):
    """The job that was asked for."""

    job: JobShown


class ImportProblem(BaseModel):
    """Something that could not be read."""

    where: str
    message: str


class ImportAsked(BaseModel):
    """The job that brings songs in, and what of the request could not be read."""

    job: JobShown
    problems: list[ImportProblem]


class CleaningRule(BaseModel):
    """A cleaning rule, and whether the dataset goes without it."""

    name: str
    title: str
    is_off: bool


class DatasetShown(BaseModel):
    """A dataset. `counts` has a number for each state of songs that are kept, and `trainable`, `duplicates`,
    `dropped`, `total`; `revision` differs whenever anything here does; `undo` is what undo would undo."""

    id: str
    name: str
    rules_off: list[str]
    rules: list[CleaningRule]
    counts: dict[str, int]
    rights: dict[str, int]
    job: JobShown | None
    last_job: JobShown | None
    versions: int
    undo: str | None
    cannot_freeze: str | None
    revision: str
    created_at: str
    updated_at: str


class DatasetList(BaseModel):
    """Your datasets, the last touched first."""

    datasets: list[DatasetShown]


class SongListed(BaseModel):
    """A song without its words; `why` says what was left out to match it, or what is doubtful."""

    id: str
    position: int
    artist: str
    title: str
    duration_s: float | None
    state: str
    is_dropped: bool
    is_trainable: bool
    has_text: bool
    source: str
    url: str
    matched_artist: str
    matched_title: str
    score: float | None
    why: str
    rights: str
    rights_note: str
    rights_at: str | None
    duplicate_of: str | None
    language: str | None
    is_explicit: bool | None


class SongPage(BaseModel):
    """Some songs in the dataset's order, and how many there are in all."""

    songs: list[SongListed]
    total: int


class SongDiffLine(BaseModel):
    """A line that stayed, went or came."""

    kind: Literal[" ", "-", "+"]
    text: str


class SongShown(SongListed):
    """A song with its words as they came and as they are cleaned; `changes` tells how many lines each rule changed,
    `versions` which versions hold it as it reads now."""

    original: str
    text: str
    diff: list[SongDiffLine]
    changes: dict[str, int]
    versions: list[int]


class RightsChanged(BaseModel):
    """Of how many songs."""

    changed: int


class WhatWasUndone(BaseModel):
    """What was undone, in words."""

    undone: str


class DatasetVersionShown(BaseModel):
    """A frozen dataset: the same content has the same `content_sha256`. `statistics` are for plots."""

    number: int
    content_sha256: str
    created_at: str
    counts: dict[str, int]
    splits: dict[str, int]
    sources: dict[str, int]
    rights: dict[str, int]
    languages: dict[str, int]
    rules_off: list[str]
    statistics: dict[str, Any]
    size_bytes: int


class DatasetVersionList(BaseModel):
    """All versions, the newest first."""

    versions: list[DatasetVersionShown]


class SongNamed(BaseModel):
    """A song by name."""

    artist: str
    title: str


class SongChanged(SongNamed):
    """A song that two versions hold differently, and in what."""

    fields: list[str]


class DatasetVersionDiff(BaseModel):
    """What the second of two versions has, lacks, and holds differently."""

    added: list[SongNamed]
    removed: list[SongNamed]
    changed: list[SongChanged]


class DatasetRestored(BaseModel):
    """What rolling back did: songs made what they were, brought back, and dropped."""

    restored: int
    brought_back: int
    dropped: int


class DriftShown(BaseModel):
    """What is new since the last version. `num_new` counts songs that may train and are not in it; `card` is what was
    measured of `measured_new` such songs against version `measured_version`, `is_current` while nothing has changed
    since; `cannot_measure` says why not, null when it can."""

    version_number: int | None
    num_new: int
    card: DriftCard | None
    measured_version: int | None
    measured_new: int | None
    measured_at: str | None
    is_current: bool
    job: JobShown | None
    cannot_measure: str | None


class SpotifyShown(BaseModel):
    """Whether a Spotify account is linked, and whether one can be."""

    linked: bool
    name: str
    is_available: bool
    is_sandbox: bool


class PlaylistShown(BaseModel):
    """A playlist; one that is not readable cannot be imported."""

    id: str
    name: str
    owner_id: str
    owner_name: str
    num_tracks: int
    is_own: bool
    is_collaborative: bool
    is_readable: bool


class PlaylistList(BaseModel):
    """The playlists in the library of the linked account."""

    playlists: list[PlaylistShown]


DATASET_SCHEMAS: tuple[type[BaseModel], ...] = (
    DatasetChange,
    DatasetList,
    DatasetRestored,
    DatasetShown,
    DatasetVersionDiff,
    DatasetVersionList,
    DatasetVersionShown,
    DriftShown,
    ImportAsked,
    JobAsked,
    JobList,
    JobShown,
    NewDataset,
    NewImport,
    PlaylistList,
    Review,
    RightsChanged,
    RightsStated,
    SongListed,
    SongPage,
    SongShown,
    SpotifyShown,
    WhatWasUndone,
)
