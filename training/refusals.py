"""Words for what a training cannot help: a disk without room, memory that ran out, a bucket that is away."""

from __future__ import annotations

from pydantic import ValidationError

from contracts.bucket import BucketAway
from training import memory, state
from training.events import Refused


def refusal_of(error: BaseException) -> Refused | None:
    """What to say to the run's owner; None for what nobody expected."""
    if isinstance(error, Refused):
        return error
    if state.is_full(error):
        return Refused("disk_full", "There is no room left on the disk. What was saved before is kept.")
    if isinstance(error, BucketAway):
        return Refused("bucket_away", f"Checkpoints and states cannot be reached: {error}. Resume the run later.")
    if memory.ran_out(error):
        return Refused(
            "out_of_memory", "There is not enough memory for this checkpoint. Train on a smaller one, or elsewhere."
        )
    if isinstance(error, ValidationError | FileNotFoundError):
        return Refused("bad_task", f"The task of the training cannot be read: {error}")
    return None
