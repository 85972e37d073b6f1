"""A driver of coodie; its hooks are in ``plugin``."""
