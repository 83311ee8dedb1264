"""`python -m training FOLDER`: do what FOLDER/task.json says, and say on stdout what becomes of it.

Ends with 0 when it is done, `HANDED_BACK` when it was told to stop, `REFUSED` when it cannot be done. `torchrun
--nproc_per_node 2 -m training FOLDER` does the same with several processes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pydantic import ValidationError

from contracts.settings import share_cores
from contracts.training import HANDED_BACK, REFUSED, TrainEvent, TrainTask
from training.events import Refused, own_stdout, silent, speaker
from training.wishes import HandedBack, Wishes

TASK = "task.json"


def run(folder: Path) -> int:
    """Do what the folder's task says; returns how the process is to end."""
    wishes = Wishes()
    wishes.listen()  # before torch is imported, which takes seconds
    say = speaker(own_stdout()) if os.environ.get("RANK", "0") == "0" else silent
    share_cores()
    try:
        task = TrainTask.model_validate_json((folder / TASK).read_bytes())
        from training.train import main

        main(task, folder, say, wishes)
    except HandedBack:
        return HANDED_BACK
    except (OSError, ValidationError, Refused, RuntimeError, MemoryError) as error:
        from training.refusals import refusal_of

        refused = refusal_of(error)
        if refused is None:
            raise
        say(TrainEvent(kind="refused", payload={"code": refused.code, "words": refused.words}))
        return REFUSED
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    status = run(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(status)  # the threads of an engine that was judging are not waited for
