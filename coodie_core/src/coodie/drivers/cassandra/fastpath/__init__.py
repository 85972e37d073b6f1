"""The fast request path: common requests on connections of our own, beside the driver's.

The driver keeps what it is good at: cluster metadata, the control connection, handshakes, policies,
prepare, and every unusual case. What is common goes from a prepared statement (``statement``), through
its encoder (``encoder``), to a connection that lives on the caller's event loop (``async_connection``),
or that a thread takes for one request (``sync_connection``) or for many (``pipeline``), and comes back
through ``reader``. These are transports of ``coodie.protocol.connection``.
``shards`` knows which of a node's shards it belongs to. ``driver_internals`` alone touches what is private to
the drivers. What requests to a statement have
in common is kept as a ``template``. The way in is ``dispatcher.FastPath``.
"""
