"""The CQL native protocol, versions 4 and 5, without I/O: bytes in, bytes out, never a socket or a clock.

Internal to this project's distributions: the fast path, coodie-local and the fault proxy use it. The section
numbers in comments refer to native_protocol_v5.spec, in Apache Cassandra's doc/ since release 4.0; comments
mention the differences of version 4.
"""
