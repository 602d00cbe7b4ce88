"""Selects the files of an interrupted build that can go live."""
