"""What measures and torments Sitewright: benchmarks, chaos, costs."""
