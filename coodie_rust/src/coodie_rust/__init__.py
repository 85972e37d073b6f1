"""The backend "rust" of coodie, on scylladb-rs-driver; its hooks are in ``coodie_rust.plugin``."""
