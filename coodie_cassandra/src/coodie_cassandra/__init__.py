"""The backend "cassandra" of coodie: what it announces is in ``coodie_cassandra.plugin``."""
