"""What a backend may be able to do beyond reading and writing rows, by name."""

from __future__ import annotations

from enum import Enum

__all__ = ["Capability"]


class Capability(str, Enum):
    """One ability that a backend has or lacks; declared by its driver class and its plug-in.

    What every backend must do (executing, binding, all rows without a fetch_size, errors of the
    tree) is no capability.
    """

    #: One page at a time: ``fetch_size``, ``paging_state``, ``stream`` in constant memory.
    PAGING = "paging"
    #: ``execute_batch`` as one atomic request.
    BATCHES = "batches"
    #: Lightweight transactions: ``[applied]`` and ``serial_consistency``.
    LIGHTWEIGHT_TRANSACTIONS = "lightweight transactions"
    #: A consistency level for each request.
    CONSISTENCY = "consistency"
    #: ``coodie.UNSET`` as a parameter.
    UNSET_VALUES = "unset values"
    #: ``RequestOptions.trace``.
    TRACING = "tracing"
    #: ``RequestOptions.custom_payload``.
    CUSTOM_PAYLOAD = "custom payload"
    #: ``RequestOptions.retry_policy``.
    RETRY_POLICY = "retry policy"
    #: ``speculative_execution_policy``, for a connection or a request.
    SPECULATIVE_EXECUTION = "speculative execution"
    #: ``compression`` of frames.
    COMPRESSION = "compression"
    #: ``protocol_version`` can be chosen.
    PROTOCOL_VERSION = "protocol version"
    #: ``ssl_context`` and the ``ssl_…`` options.
    TLS = "TLS"
    #: ``username`` and ``password``.
    AUTHENTICATION = "authentication"
    #: A connected ``session`` of the caller's.
    SESSION = "session"
    #: ``sync_table``.
    SCHEMA_SYNC = "schema sync"
    #: Tables that are materialized views can be read.
    MATERIALIZED_VIEWS = "materialized views"
    #: Columns of type ``vector``.
    VECTORS = "vectors"
    #: Columns of user-defined types.
    USER_DEFINED_TYPES = "user-defined types"
    #: Async methods use no thread.
    NATIVE_ASYNC = "native async"

    def __str__(self) -> str:
        return self.value
