"""This machine: folders, ports, processes and their environments."""
