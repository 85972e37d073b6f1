"""What can go wrong around a local node, as part of coodie's tree of errors.

``errors.md`` beside this module has a section for each class::

    CoodieError
    └── LocalNodeError
        ├── UnsupportedPlatformError (UnsupportedError)   no Java runtime or jars for this machine
        ├── DownloadError (ConnectionFailedError)         a jar could not be fetched
        │   └── ChecksumError                             what came isn't what the lock file names
        ├── StorageError (OSError)                        no space, or a directory that isn't usable
        ├── NodeInUseError (ConfigurationError)           it runs, but not as asked
        ├── NodeStartError (ConnectionFailedError)        the JVM died, or never answered
        │   └── PortInUseError                            somebody else listens on the port
        └── StartCancelledError                           stop() or a cancelled task ended the start
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError, ConnectionFailedError, CoodieError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "ChecksumError",
    "DownloadError",
    "LocalNodeError",
    "NodeInUseError",
    "NodeStartError",
    "PortInUseError",
    "StartCancelledError",
    "StorageError",
    "UnsupportedPlatformError",
]


class LocalNodeError(CoodieError):
    """The parent of the errors that only a local node has."""

    explained_in = __name__


class UnsupportedPlatformError(LocalNodeError, UnsupportedError):
    """There is no Java runtime, or no list of jars, for this machine.

    Args:
        message: What was found.
        hint: What can be used instead.
        platform: The machine's tag, such as ``linux-aarch64``.
    """

    def __init__(self, message: str, *, hint: str | None = None, platform: str | None = None) -> None:
        super().__init__(message, hint=hint, feature="platform")
        #: The machine's tag, such as ``linux-aarch64``.
        self.platform = platform


class DownloadError(LocalNodeError, ConnectionFailedError):
    """A jar could not be fetched; those that came are kept, so that running again resumes."""


class ChecksumError(DownloadError):
    """A jar differs, twice in a row, in size or SHA-256 from what the lock file names."""


class StorageError(LocalNodeError, OSError):
    """A directory can't be written, belongs to somebody else, or its disk is full.

    Args:
        message: What was tried.
        hint: What to do.
        path: The directory or file.
    """

    def __init__(self, message: str, *, hint: str | None = None, path: Path | None = None) -> None:
        super().__init__(message, hint=hint)
        #: The directory or file.
        self.path = path


class NodeInUseError(LocalNodeError, ConfigurationError):
    """The node of that name runs already, but not with the options that were asked for."""


class NodeStartError(LocalNodeError, ConnectionFailedError):
    """The node's JVM died, or didn't answer CQL in time.

    Args:
        message: What happened.
        hint: What to do.
        log_lines: The last lines of the node's log.
        exit_code: The JVM's exit status, negative for a signal; None where it was still running.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        log_lines: tuple[str, ...] = (),
        exit_code: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        #: The last lines of the node's log, oldest first.
        self.log_lines = log_lines
        #: The JVM's exit status, or None.
        self.exit_code = exit_code


class PortInUseError(NodeStartError):
    """Somebody else listens on the port that the node was to have."""


class StartCancelledError(LocalNodeError):
    """The start was ended from outside before the node was ready; nothing of it is left."""
