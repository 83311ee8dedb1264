"""Put the demo voices into the bucket, once, telling the progress line by line to whoever started us: the checkpoint,
and Cowboy, an adapter on it."""

from __future__ import annotations

from contracts.bucket import NoSuchKey, open_bucket
from contracts.settings import Settings, load_settings
from sandbox import cowboy

NAME = cowboy.BASE
PROGRESS = b"progress "
"""How a line begins that says `progress DONE TOTAL WHAT`."""


def is_there(settings: Settings) -> bool:
    """Whether the bucket has the demo voices already.

    Raises:
        contracts.bucket.BucketAway: it cannot be asked.
    """
    try:
        return cowboy.is_there(open_bucket(settings.bucket, emulator_host=settings.storage_emulator_host))
    except NoSuchKey:
        return False


def main() -> None:
    """The command line: `python -m sandbox.voice`."""
    from inference.convert import smollm2  # brings torch along, which whoever only asks `is_there` can do without

    def report(what: str, done: int, total: int) -> None:
        print(f"{PROGRESS.decode()}{done} {total} {what}", flush=True)

    settings = load_settings()
    bucket = open_bucket(settings.bucket, emulator_host=settings.storage_emulator_host)
    smollm2(bucket, report)
    cowboy.put(bucket)


if __name__ == "__main__":
    main()
