"""Find out what keeps coodie from working: ``python -m coodie_doctor``.

A package of its own, which imports nothing but the standard library until it knows that ``coodie`` is
ours: so it works where another distribution's code has overwritten that.
"""
