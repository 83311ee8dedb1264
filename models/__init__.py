"""SQLAlchemy rows and the verbs of one row's life.

Knows Postgres; knows nothing of Flask, HTTP or networks. Sessions come from the caller, who commits.
"""

from models.account import Account
from models.base import Base
from models.dataset import (
    Dataset,
    DatasetChange,
    DatasetVersion,
    Lookup,
    Rights,
    Song,
    SongState,
    VersionSong,
)
from models.feedback import Comparison, Drift, Feedback, Pair, Verdict
from models.generation import Generation, GenerationEvent, GenerationState
from models.job import Job, JobState
from models.lyric import Lyric, LyricVersion, VersionReason
from models.pronunciation import Pronunciation
from models.run import Adapter, Probed, Run, RunEvent
from models.spotify import SpotifyLink
from models.throttle import Throttle
from models.token import ApiToken
from models.user import User

__all__ = [
    "Account",
    "Adapter",
    "ApiToken",
    "Base",
    "Comparison",
    "Dataset",
    "DatasetChange",
    "DatasetVersion",
    "Drift",
    "Feedback",
    "Generation",
    "GenerationEvent",
    "GenerationState",
    "Job",
    "JobState",
    "Lookup",
    "Lyric",
    "LyricVersion",
    "Pair",
    "Probed",
    "Pronunciation",
    "Rights",
    "Run",
    "RunEvent",
    "Song",
    "SongState",
    "SpotifyLink",
    "Throttle",
    "User",
    "Verdict",
    "VersionReason",
    "VersionSong",
]
