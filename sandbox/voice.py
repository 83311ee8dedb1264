"""Put the demo voice into the bucket, once, telling its progress line by line to whoever started us."""

from __future__ import annotations

from contracts.bucket import NoSuchKey, open_bucket
from contracts.manifest import checkpoint_manifest_key
from contracts.settings import Settings, load_settings

NAME = "smollm2-135m-instruct"
PROGRESS = b"progress "
"""How a line begins that says `progress DONE TOTAL WHAT`."""


def is_there(settings: Settings) -> bool:
    """Whether the bucket has the demo voice already.

    Raises:
        contracts.bucket.BucketAway: it cannot be asked.
    """
    bucket = open_bucket(settings.bucket, emulator_host=settings.storage_emulator_host)
    try:
        bucket.read(checkpoint_manifest_key(NAME))
    except NoSuchKey:
        return False
    return True


def main() -> None:
    """The command line: `python -m sandbox.voice`."""
    from inference.convert import smollm2  # brings torch along, which whoever only asks `is_there` can do without

    def report(what: str, done: int, total: int) -> None:
        print(f"{PROGRESS.decode()}{done} {total} {what}", flush=True)

    settings = load_settings()
    smollm2(open_bucket(settings.bucket, emulator_host=settings.storage_emulator_host), report)


if __name__ == "__main__":
    main()
