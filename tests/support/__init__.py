"""Made data that several tests and benchmarks share."""
