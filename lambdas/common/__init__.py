"""Modules that the functions share: AWS clients, settings, tables."""
