"""The driver_type "rust" of coodie, on scylladb-rs-driver; see ``coodie_rust.plugin``."""
