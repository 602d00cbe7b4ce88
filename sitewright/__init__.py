"""Sitewright: what the stacks, the functions, the workspace and the command line share, and what a user installs."""
