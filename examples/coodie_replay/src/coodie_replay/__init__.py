"""The driver_type ``replay``: records another backend's requests in a file, and replays them in tests."""
