"""Which files of an interrupted build can go live."""
