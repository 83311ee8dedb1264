"""The bucket as this process reaches it. Nothing here knows what lies in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import ServiceAway
from contracts.bucket import Bucket, BucketAway, open_bucket
from contracts.settings import Settings

_settings: Settings | None = None
_bucket: Bucket | None = None


def bind(settings: Settings) -> None:
    """Say where the bucket is; it is opened when it is first needed."""
    global _settings, _bucket  # one process has one bucket
    _settings, _bucket = settings, None


@contextmanager
def bucket() -> Iterator[Bucket]:
    """The bucket.

    Raises:
        ServiceAway: it is out of reach.
    """
    global _bucket
    if _settings is None:
        raise RuntimeError("the bucket is not bound: create_app() does it")
    try:
        if _bucket is None:
            _bucket = open_bucket(_settings.bucket, emulator_host=_settings.storage_emulator_host)
        yield _bucket
    except BucketAway:
        raise ServiceAway(
            "The files of this server are out of reach just now. Nothing was lost: try again in a minute.",
            code="bucket_away",
            retry_after_s=30,
        ) from None
