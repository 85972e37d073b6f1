"""Observers of requests, connections and schema changes, and the events that drivers emit.

An observer is any object with hooks of ``coodie.observers.hooks.ObserverHooks``, marked with
``coodie.plugins.hookimpl``. Ready-made ones are in ``coodie.observers.log``,
``coodie.observers.metrics`` and ``coodie.observers.otel``.

The events are imported when the first of them is used: they are slow to import, and every program
imports this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie._lazy_imports import lazy_attributes
from coodie.observers.connections import tell_closed
from coodie.observers.hub import observing, register_observer, unregister_observer
from coodie.observers.instrumentation import ONE_OF_MANY, batch_part, observe_request, untold
from coodie.observers.loading import activate_observer, get_observer
from coodie.observers.request import ObservedRequest, Part
from coodie.observers.requestkind import RequestKind
from coodie.observers.retryreason import RetryReason

if TYPE_CHECKING:
    from coodie.observers.events import (
        ConnectionClosed,
        ConnectionEvent,
        ConnectionFailed,
        ConnectionKind,
        ConnectionOpened,
        DriverRegistered,
        Host,
        NodeAdded,
        NodeConnectionClosed,
        NodeConnectionOpened,
        NodeDown,
        NodeEvent,
        NodeRemoved,
        NodeUp,
        RequestEvent,
        RequestFinished,
        RequestRetried,
        RequestStarted,
        SchemaChange,
        SchemaChanged,
    )

#: The version of the hooks and their events.
OBSERVER_API_VERSION = 1

__all__ = [
    "OBSERVER_API_VERSION",
    "ONE_OF_MANY",
    "ConnectionClosed",
    "ConnectionEvent",
    "ConnectionFailed",
    "ConnectionKind",
    "ConnectionOpened",
    "DriverRegistered",
    "Host",
    "NodeAdded",
    "NodeConnectionClosed",
    "NodeConnectionOpened",
    "NodeDown",
    "NodeEvent",
    "NodeRemoved",
    "NodeUp",
    "ObservedRequest",
    "Part",
    "RequestEvent",
    "RequestFinished",
    "RequestKind",
    "RequestRetried",
    "RequestStarted",
    "RetryReason",
    "SchemaChange",
    "SchemaChanged",
    "activate_observer",
    "batch_part",
    "get_observer",
    "observe_request",
    "observing",
    "register_observer",
    "tell_closed",
    "unregister_observer",
    "untold",
]

if not TYPE_CHECKING:  # with it, any name would pass for one of ours
    __getattr__, __dir__ = lazy_attributes(
        globals(), dict.fromkeys(__all__, "events"), ("events", "statements")
    )
