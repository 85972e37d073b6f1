"""The runner of the benchmarks: servers, processes, rounds, ratios, and output."""
