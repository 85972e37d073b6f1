"""The measuring side of the benchmarks: servers, processes, rounds, ratios, and how they are shown."""
