"""The errors of replays, in coodie's tree of errors; ``errors.md`` beside this module has their sections."""

from __future__ import annotations

from coodie.exceptions import ConfigurationError, CoodieError, RequestError

__all__ = ["RecordingError", "ReplayError", "UnrecordedRequestError"]


class ReplayError(CoodieError):
    """The base class of the errors of recordings."""

    explained_in = __name__
    #: The path of the recording.
    file: str | None = None


class RecordingError(ReplayError, ConfigurationError):
    """A file can't be used as a recording, or a value can't be recorded."""


class UnrecordedRequestError(ReplayError, RequestError):
    """The recording has no response to a request; nothing was sent."""

    may_have_been_applied: bool = False
    #: The statement of the nearest recorded request; None if nothing is recorded.
    nearest: str | None = None
    #: Its line in the file.
    line: int | None = None
