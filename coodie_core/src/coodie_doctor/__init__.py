"""Find problems of an installation: ``python -m coodie_doctor``.

A separate package, which only imports the standard library until it knows that the package ``coodie`` is
coodie-core's, so that it works if another distribution has overwritten that.
"""
