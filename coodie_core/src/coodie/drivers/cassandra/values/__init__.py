"""Python values and the server's: `binding` takes parameters, `rows` and `lenient_decoding` read results.

``types`` says what the driver's type classes mean; ``scalars`` and ``collections`` hold what binds one value,
``ordering`` how the server sorts the elements of a set and the keys of a map. Nothing here sends a request.
"""
