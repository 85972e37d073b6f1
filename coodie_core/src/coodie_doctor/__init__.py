"""Find out what keeps coodie from working: ``python -m coodie_doctor``."""
