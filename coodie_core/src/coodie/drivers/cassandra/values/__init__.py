"""Convert values between Python and CQL: `binding` for parameters, `rows` and `lenient_decoding` for results.

``types`` reads the drivers' type classes; ``scalars`` and ``collections`` bind single values; ``ordering``
sorts sets and map keys as the server does. What all clients have in common is in
``coodie.drivers.client.values``. Nothing here sends a request.
"""
