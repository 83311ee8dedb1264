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
from models.generation import Generation, GenerationEvent, GenerationState
from models.job import Job, JobState
from models.lyric import Lyric, LyricVersion, VersionReason
from models.pronunciation import Pronunciation
from models.spotify import SpotifyLink
from models.throttle import Throttle
from models.token import ApiToken
from models.user import User

__all__ = [
    "Account",
    "ApiToken",
    "Base",
    "Dataset",
    "DatasetChange",
    "DatasetVersion",
    "Generation",
    "GenerationEvent",
    "GenerationState",
    "Job",
    "JobState",
    "Lookup",
    "Lyric",
    "LyricVersion",
    "Pronunciation",
    "Rights",
    "Song",
    "SongState",
    "SpotifyLink",
    "Throttle",
    "User",
    "VersionReason",
    "VersionSong",
]
