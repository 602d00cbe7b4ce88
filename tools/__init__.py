"""Programs that measure and test Sitewright: benchmarks, chaos runs, costs."""
