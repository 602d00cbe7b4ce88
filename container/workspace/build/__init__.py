"""The build of a site: dependencies, caches, and why it failed."""
