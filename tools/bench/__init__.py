"""Benchmarks: overhead of the service, container starts, interrupt latency, publish speed."""
