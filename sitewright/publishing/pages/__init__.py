"""Pages of a build: what they refer to, the addresses they have, and the further names of flat ones."""
