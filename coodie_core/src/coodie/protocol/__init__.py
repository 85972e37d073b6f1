"""The CQL native protocol, versions 4 and 5, without I/O: bytes in, bytes out, never a socket or a clock.

Used inside this project's distributions: the fast path, coodie-local and the tests' fault proxy stand on it.
The sections in comments are those of native_protocol_v5.spec, which Apache Cassandra has under doc/ since
release 4.0; where version 4 differs, the comment says so.
"""
