"""The fast path: common requests on connections of our own, beside the driver's connections.

The driver keeps cluster metadata, the control connection, handshakes, policies, preparing statements, and
all unusual requests. ``dispatcher.FastPath`` is the entry point. A common request is encoded for its
prepared statement (``statement``, ``encoder``) and sent on a pooled connection (``pool``): one on the
caller's event loop (``async_connection``), or one that a thread acquires for a request
(``sync_connection``) or for many (``pipeline``). ``reader`` decodes the response. The connections are
transports of ``coodie.protocol.connection``.

``template`` keeps what later requests for the same statement reuse. ``shards`` maps a request to a shard
of its node. ``driver_internals`` is the only module that uses private attributes of the drivers.
"""
