"""Values of clients that know the types of a statement's bind markers and columns.

``binding`` validates parameters and converts them for a client, ``reading`` converts a client's values to
coodie's; both by a type as ``cqltypes`` describes it. ``scalars``, ``collections`` and ``problems`` are also
the ground of ``coodie.drivers.cassandra.values``. Nothing here sends a request.
"""

from __future__ import annotations
