"""The workspace image: finds a container engine, and prints the image's size by layer."""
