"""The guest: the user of everything that nobody reviewed, its processes and its files."""
