"""How soon the workers notice things. One object, so that a test can have them all notice sooner."""

from __future__ import annotations

from dataclasses import dataclass

from models.job import SILENT_FOR


@dataclass(frozen=True)
class Timing:
    """In seconds. `silent_s` must be several times `beat_s`: a busy machine's worker is late now and then."""

    beat_s: float = 1.0
    """A worker says that it lives, and hears that a job was cancelled or taken over."""
    silent_s: float = SILENT_FOR.total_seconds()
    """After so long without a beat a worker is taken for dead, and its jobs are queued again."""
    poll_s: float = 0.5
    """New jobs announce themselves; those that come back, or were held up by another of their user, do not."""
    report_s: float = 0.5
    """Progress is written no more often."""
    hold_s: float = 10.0
    """A transaction in which nothing happens for so long is broken off by Postgres, for it may hold others up."""
    save_s: float = 20.0
    """A training puts its state into the bucket so often: what a killed worker costs at most."""
