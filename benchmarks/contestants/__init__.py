"""What runs in a contestant's own process: a client, the workloads, what they cost."""
