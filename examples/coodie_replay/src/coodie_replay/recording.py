"""A recording: a file with a line of JSON for each call and its outcome, after a line about the driver.

``Recorder`` writes one, ``Player`` reads one. Both are thread-safe, and may be used on event loops.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
from collections import deque
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie import CoodieError, DriverClosedError
from coodie_replay.calls import Call, error_as_json, outcome_of, result_as_json
from coodie_replay.errors import RecordingError, UnrecordedRequestError
from coodie_replay.values import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie_replay.calls import Result

__all__ = ["ABOUT", "Player", "Recorder"]

#: The facts about a driver in the first line.
ABOUT = ("capabilities", "keyspace", "needs_row_validation")
_VERSION = 1
_RECORD_AGAIN = 'Record again with mode="record".'

#: The files that are being recorded in this process.
_open_files: set[Path] = set()
_open_files_lock = threading.Lock()


class Recorder:
    """Collects calls, and writes the file when it is closed.

    Args:
        file: The file; an existing one is replaced when the recorder is closed.

    Raises:
        RecordingError: Another recorder of this process has the file, or its directory doesn't exist.
    """

    def __init__(self, file: Path) -> None:
        self._file = file.absolute()
        #: What replays have to know about the driver; has the keys in ``ABOUT``.
        self.about: dict[str, Any] = {}
        self._entries: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._is_closed = False
        self._process = os.getpid()
        if not self._file.parent.is_dir():
            raise RecordingError(f"The directory of {file} doesn't exist.", hint="Create it.", file=str(file))
        with _open_files_lock:
            if self._file in _open_files:
                message = f"{file} is being recorded by another driver."
                raise RecordingError(
                    message, hint="Close that one first, or use another file.", file=str(file)
                )
            _open_files.add(self._file)

    @contextlib.contextmanager
    def call(self, call: Call) -> Iterator[_Slot]:
        """Record a call: the result that the block puts into the slot, or the error that it raises.

        Calls are in the file in the order in which they begin. One that is cancelled, or that the driver
        refuses because it is closed, isn't recorded.
        """
        slot = _Slot(self._file, dict(call.content))
        with self._lock:
            self._entries.append(slot.entry)
        try:
            yield slot
        except DriverClosedError:
            raise
        except CoodieError as exc:
            if not isinstance(exc, RecordingError):
                slot.entry["outcome"] = error_as_json(exc)
            raise

    def close(self) -> None:
        """Write the file; can be called twice. A forked child doesn't write it."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            entries = [entry for entry in self._entries if "outcome" in entry]
        if os.getpid() != self._process:
            return
        try:
            _replace(self._file, [{"coodie_replay": _VERSION, **self.about}, *entries])
        finally:
            self.discard()

    def discard(self) -> None:
        """Write nothing; another recorder may use the file."""
        self._is_closed = True
        with _open_files_lock:
            _open_files.discard(self._file)


class _Slot:
    """The place for the outcome of a call."""

    def __init__(self, file: Path, entry: dict[str, Any]) -> None:
        self._file = file
        self.entry = entry

    def put(self, result: Result) -> Result:
        """Record a result, and return it.

        Raises:
            RecordingError: A value has a type that can't be recorded.
        """
        try:
            self.entry["outcome"] = result_as_json(result)
        except TypeError as exc:
            message = f"The result isn't in the recording: {exc}."
            hint = "Leave the codecs out of backend_options."
            raise RecordingError(message, hint=hint, file=str(self._file)) from exc
        return result


def _replace(file: Path, lines: list[dict[str, Any]]) -> None:
    """Write the lines to a new file, and put it in the place of the old one."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogatepass") as out:
                out.writelines(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink()
            raise
    except OSError as exc:
        raise RecordingError(f"Can't write {file}: {exc.strerror}.", file=str(file)) from exc


class _Recorded(NamedTuple):
    """A recorded call.

    Attributes:
        line: Its line in the file.
        content: Its arguments, as in ``Call``.
        outcome: Its outcome, as JSON.
    """

    line: int
    content: dict[str, Any]
    outcome: dict[str, Any]


class Player:
    """Responds to calls from a file, each recorded call once, equal ones in the order of the file.

    Args:
        file: The file.

    Raises:
        RecordingError: The file doesn't exist, or isn't a recording.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._calls: list[_Recorded] = []
        self._left: dict[str, deque[_Recorded]] = {}
        self._lock = threading.Lock()
        #: What the recorder was told about the driver.
        self.about: dict[str, Any] = {}
        try:
            text = file.read_text(encoding="utf-8", errors="surrogatepass")
        except FileNotFoundError:
            message = f"{file} doesn't exist, and mode='replay' needs it."
            raise RecordingError(message, hint='Record it with mode="record".', file=str(file)) from None
        except (OSError, ValueError) as exc:
            raise RecordingError(f"Can't read {file}: {type(exc).__name__}.", file=str(file)) from exc
        for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
            self._read(number, line)

    def _read(self, number: int, line: str) -> None:
        try:
            content = json.loads(line)
            if number == 1:
                if content.pop("coodie_replay") != _VERSION:
                    raise ValueError("version")  # noqa: TRY301 - one message for all causes
                self.about = {name: content[name] for name in ABOUT}
                return
            outcome = content.pop("outcome")
            outcome_of(outcome)
        except (LookupError, TypeError, ValueError, AttributeError) as exc:
            message = f"Line {number} of {self._file} isn't part of a recording."
            raise RecordingError(message, hint=_RECORD_AGAIN, file=str(self._file)) from exc
        recorded = _Recorded(number, content, outcome)
        self._calls.append(recorded)
        self._left.setdefault(text_of(content), deque()).append(recorded)

    def play(self, call: Call) -> Result:
        """Return the result of a recorded call, or raise its error.

        Raises:
            CoodieError: The recorded error.
            UnrecordedRequestError: There is no such call, or all of them have been played.
        """
        with self._lock:
            left = self._left.get(call.key)
            recorded = left.popleft() if left else None
        if recorded is None:
            raise self._unrecorded(call, is_known=left is not None)
        outcome = outcome_of(recorded.outcome)
        if isinstance(outcome, CoodieError):
            raise outcome
        return outcome

    def _unrecorded(self, call: Call, *, is_known: bool) -> UnrecordedRequestError:
        asked = f"{self._file} has no response to {call.statement!r}"
        file = str(self._file)
        if not self._calls:
            message = f"{asked}: nothing is recorded."
            return UnrecordedRequestError(message, hint=_RECORD_AGAIN, file=file, statement=call.statement)
        nearest = max(self._calls, key=lambda recorded: _likeness(recorded.content, call.content))
        statement = _statement_of(nearest.content)
        if is_known:
            times = sum(recorded.content == nearest.content for recorded in self._calls)
            was = "once" if times == 1 else f"{times} times"
            message = f"{asked}: it was recorded {was}, and is requested once more."
        else:
            message = (
                f"{asked}. The nearest is line {nearest.line}, {_difference(nearest.content, call.content)}."
            )
        return UnrecordedRequestError(
            message,
            hint=_RECORD_AGAIN,
            file=file,
            statement=call.statement,
            nearest=statement,
            line=nearest.line,
        )


# --- the nearest call -------------------------------------------------------------------


def _statement_of(content: dict[str, Any]) -> str:
    """Return what a call executes, as text."""
    if "batch" in content:
        return "; ".join(str(item[0] if isinstance(item, list) else item) for item in content["batch"])
    if "sync_table" in content:
        return f"sync_table {'.'.join(map(str, content['sync_table']))}"
    return str(content.get("execute"))


def _likeness(recorded: dict[str, Any], asked: dict[str, Any]) -> tuple[bool, float, int]:
    """Return how similar two calls are: by kind, by text, by the number of equal arguments."""
    kind = next(iter(asked))
    ratio = SequenceMatcher(None, _statement_of(recorded), _statement_of(asked)).ratio()
    return kind in recorded, ratio, -len(_differences(recorded, asked))


def _differences(recorded: dict[str, Any], asked: dict[str, Any]) -> list[str]:
    """Return the names of the arguments that differ; parameters by their index or name, without values."""
    found = []
    for name in dict.fromkeys((*asked, *recorded)):
        mine, theirs = asked.get(name), recorded.get(name)
        if mine == theirs and type(mine) is type(theirs):
            continue
        if name == "params" and isinstance(mine, (list, dict)) and type(mine) is type(theirs):
            found += _different_parameters(mine, theirs)
        else:
            found.append(name)
    return found


def _different_parameters(mine: Any, theirs: Any) -> list[str]:
    if len(mine) != len(theirs):
        return ["the number of parameters"]
    keys = range(len(mine)) if isinstance(mine, list) else sorted({*mine, *theirs})
    missing = object()

    def value(of: Any, key: Any) -> str:
        found = of.get(key, missing) if isinstance(of, dict) else of[key]
        return "" if found is missing else text_of(found)

    return [f"parameter {key}" for key in keys if value(mine, key) != value(theirs, key)]


def _difference(recorded: dict[str, Any], asked: dict[str, Any]) -> str:
    """Say how a recorded call differs."""
    statement = _statement_of(recorded)
    if statement != _statement_of(asked):
        return repr(statement)
    return f"the same statement with another value of {', '.join(_differences(recorded, asked))}"
