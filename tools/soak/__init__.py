"""Many commands over many sessions and sites, bounded by time: what grows, and what is left."""
