"""What comes of a request that was sent on a connection of ours."""

from __future__ import annotations

from coodie.protocol.connection import NEVER_SENT
from coodie.protocol.connection import TIMED_OUT as LATE
from coodie.protocol.connection import ConnectionLost as Lost
from coodie.protocol.connection import Response as Answer
from coodie.protocol.connection import TimedOut as Late

__all__ = ["LATE", "NEVER_SENT", "Answer", "Late", "Lost"]
