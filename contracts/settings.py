"""The one place that reads the environment.

Values come from the environment first, then from `$GHOST_HOME/stack.env`, the file that `make run` writes
(mode 0600) so that every process of one stack, and the `ghost` command beside it, agree without arguments.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

STACK_FILE = "stack.env"


class Settings(BaseSettings):
    """Every knob of every process. Field names are the environment's names in lower case."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, frozen=True)

    ghost_home: Path = Field(default=Path("var"), description="where data lives on this machine")
    port: int = Field(default=8000, ge=1, le=65535, description="the web's port")
    inference_port: int = Field(default=8001, ge=1, le=65535, description="the inference service's port")
    worker_port: int = Field(default=0, ge=0, le=65535, description="the worker's /metrics; 0: none")
    bind_host: str = Field(default="127.0.0.1", description="the interface to listen on; 0.0.0.0 in a container")
    public_url: str = Field(default="", description="what the browser types; https turns on secure cookies and HSTS")

    database_url: SecretStr = Field(
        default=SecretStr(""), description="postgresql+psycopg2://user:password@host:port/name"
    )
    secret_key: SecretStr = Field(default=SecretStr(""), description="signs cookies and CSRF tokens")
    service_secret: SecretStr = Field(
        default=SecretStr(""), description="signs the 60 s tokens between web and inference"
    )

    bucket_url: str = Field(
        default="", description="file:///directory or gs://bucket/prefix; default: $GHOST_HOME/bucket"
    )
    storage_emulator_host: str = Field(default="", description="a GCS emulator's address, for tests")

    inference_url: str = Field(default="", description="default: http://127.0.0.1:$INFERENCE_PORT")
    inference_dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    inference_device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N")
    inference_num_slots: int = Field(default=32, ge=1, description="sequences that decode together, per checkpoint")
    inference_max_len: int = Field(default=1024, ge=64, description="tokens of prompt and text per slot")
    inference_max_waiting: int = Field(default=256, ge=0, description="sequences that may queue before a 429")
    inference_max_resident: int = Field(default=2, ge=1, description="checkpoints kept in memory at once")
    inference_max_adapters: int = Field(default=16, ge=1, description="adapters in memory at once, per checkpoint")
    inference_preload: str = Field(default="", description="comma-separated checkpoints to load at start")

    trusted_proxies: int = Field(default=0, ge=0, description="reverse proxies whose X-Forwarded-* are true")
    web_threads: int = Field(default=256, ge=8, description="gunicorn threads; three quarters of them may be streams")
    guest_tokens: int = Field(default=2_000, ge=0, description="a guest's whole allowance, in tokens")
    free_tokens: int = Field(default=100_000, ge=0, description="a signed-up user's allowance for 30 days, in tokens")

    free_minutes: int = Field(default=120, ge=0, description="a signed-up user's minutes of training for 30 days")
    training_cents_a_minute: float = Field(default=2.0, ge=0, description="what a minute of training is worth")
    training_device: str = Field(default="auto", description="auto, cpu or cuda: where worker.gpu trains")

    spotify_client_id: str = Field(default="", description="of the app at developer.spotify.com; empty: no Spotify")
    spotify_client_secret: SecretStr = Field(default=SecretStr(""), description="may be empty: PKCE stands in for it")
    spotify_api_url: str = "https://api.spotify.com/v1"
    spotify_accounts_url: str = "https://accounts.spotify.com"
    genius_token: SecretStr = Field(default=SecretStr(""), description="client access token; empty: no Genius")
    genius_api_url: str = "https://api.genius.com"
    genius_web_url: str = "https://genius.com"
    lrclib_url: str = "https://lrclib.net"
    genius_calls_per_s: float | None = Field(
        default=None, ge=0, description="at most, of each worker; 0: no limit of ours; default: 10, a stand-in's none"
    )
    lrclib_calls_per_s: float | None = Field(default=None, ge=0, description="the same; default: 20")

    @property
    def spotify_app(self) -> str:
        """The id that we sign in to Spotify with; empty where Spotify is off. A stand-in takes any."""
        return self.spotify_client_id or ("sandbox" if _is_stand_in(self.spotify_api_url) else "")

    @property
    def genius_key(self) -> str:
        """The token that Genius is asked with; empty where Genius is off. A stand-in takes any."""
        return self.genius_token.get_secret_value() or ("sandbox" if _is_stand_in(self.genius_api_url) else "")

    @property
    def sandboxes(self) -> frozenset[str]:
        """Which of `spotify`, `genius` and `lrclib` are stand-ins of ours, so that pages can say `sandbox`."""
        urls = {"spotify": self.spotify_api_url, "genius": self.genius_api_url, "lrclib": self.lrclib_url}
        return frozenset(name for name, url in urls.items() if _is_stand_in(url))

    @property
    def genius_pace(self) -> float:
        """Calls a second that Genius gets from a worker; 0: as fast as they come."""
        usual = 0.0 if _is_stand_in(self.genius_api_url) else 10.0
        return usual if self.genius_calls_per_s is None else self.genius_calls_per_s

    @property
    def lrclib_pace(self) -> float:
        """The same of LRCLIB, whose server is run by few."""
        usual = 0.0 if _is_stand_in(self.lrclib_url) else 20.0
        return usual if self.lrclib_calls_per_s is None else self.lrclib_calls_per_s

    @property
    def home(self) -> Path:
        """The data directory, absolute."""
        return self.ghost_home.expanduser().resolve()

    @property
    def bucket(self) -> str:
        """The bucket's URL, with the local default filled in."""
        return self.bucket_url or f"file://{self.home / 'bucket'}"

    @property
    def inference_base_url(self) -> str:
        """Where the inference service listens, without a trailing slash."""
        return (self.inference_url or f"http://127.0.0.1:{self.inference_port}").rstrip("/")

    @property
    def is_https(self) -> bool:
        """Whether people reach us by https, so that cookies may be marked secure."""
        return self.public_url.startswith("https://")


def _is_stand_in(url: str) -> bool:
    """Whether a service's address is not one of the real hosts."""
    return urlsplit(url).hostname not in {"api.spotify.com", "api.genius.com", "lrclib.net"}


class SettingMissing(RuntimeError):
    """A setting that this process cannot start without."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"{name} is not set: {why}. Set it in the environment, or start the whole stack with `make run`."
        )
        self.name = name


def require(settings: Settings, name: str, why: str) -> str:
    """The secret or URL called `name`, or a `SettingMissing` that says why it is needed."""
    value = getattr(settings, name)
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    if not text:
        raise SettingMissing(name.upper(), why)
    return text


def share_cores() -> None:
    """Makes the idle threads of torch sleep soon instead of spinning; call it before torch is imported.

    They spin for milliseconds by default. Alone on its cores a step is 3 % faster so; but with a web server and a
    database on the same two cores the engine fell from 150 to 1 token a second, and with this to 25
    (docs/decisions.md). Source: libgomp's manual, GOMP_SPINCOUNT.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """The process's settings, read once."""
    home = Path(os.environ.get("GHOST_HOME") or "var").expanduser()
    return Settings(_env_file=home / STACK_FILE)
