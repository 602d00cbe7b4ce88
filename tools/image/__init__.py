"""The workspace image: where a container engine comes from, and what the image's size is made of."""
