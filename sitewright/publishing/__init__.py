"""Publishes a build to the site bucket: plans the changes first, then carries them out."""
