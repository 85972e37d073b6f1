"""The script ``coodie``, outside of the package ``coodie``, whose import takes most of a command's start."""
