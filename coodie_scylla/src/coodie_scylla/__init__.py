"""The backend "scylla" of coodie: what it announces is in ``coodie_scylla.plugin``."""
