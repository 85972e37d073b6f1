"""A proxy that applies faults to the frames between a driver and its server."""

from __future__ import annotations

from coodie.protocol.error_codes import ErrorCode
from coodie.protocol.frames import Opcode, RawFrame
from coodie_testing.faults.connection import PendingRequest, ProxiedConnection
from coodie_testing.faults.fault import (
    Close,
    Corrupt,
    Delay,
    DelayRequest,
    Fault,
    ServerError,
    Silence,
    TabletInfo,
    Trickle,
    Truncate,
    WrongStream,
)
from coodie_testing.faults.proxy import FaultProxy
from coodie_testing.faults.rules import RecordedRequest, Rule

__all__ = [
    "Close",
    "Corrupt",
    "Delay",
    "DelayRequest",
    "ErrorCode",
    "Fault",
    "FaultProxy",
    "Opcode",
    "PendingRequest",
    "ProxiedConnection",
    "RawFrame",
    "RecordedRequest",
    "Rule",
    "ServerError",
    "Silence",
    "TabletInfo",
    "Trickle",
    "Truncate",
    "WrongStream",
]
