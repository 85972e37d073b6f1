"""Code that runs in a contestant's process: clients, workloads, measurements."""
