"""SQLAlchemy rows and the verbs of one row's life.

Knows Postgres; knows nothing of Flask, HTTP or networks. Sessions come from the caller, who commits.
"""

from models.account import Account
from models.base import Base
from models.generation import Generation, GenerationEvent, GenerationState
from models.lyric import Lyric, LyricVersion, VersionReason
from models.pronunciation import Pronunciation
from models.throttle import Throttle
from models.token import ApiToken
from models.user import User

__all__ = [
    "Account",
    "ApiToken",
    "Base",
    "Generation",
    "GenerationEvent",
    "GenerationState",
    "Lyric",
    "LyricVersion",
    "Pronunciation",
    "Throttle",
    "User",
    "VersionReason",
]
