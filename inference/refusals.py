"""Why a voice cannot be had."""

from __future__ import annotations


class UnknownVoice(LookupError):
    """No checkpoint of this name and no adapter of this id is in the bucket, or the adapter is somebody else's."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no voice {name[:80]!r}; GET /v1/models lists those there are")


class VoiceRefused(RuntimeError):
    """The voice is in the bucket but cannot be served until it is put there again."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the voice {name!r} cannot be used: {reason}")
        self.reason = reason


class VoicesBusy(RuntimeError):
    """There is no room for one more voice, and all that are in memory are in use."""

    retry_after_s = 5

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"there is no room to load {name!r} now: {why}")


class Stopping(RuntimeError):
    """The process is on its way out."""

    def __init__(self) -> None:
        super().__init__("the inference service is shutting down")
