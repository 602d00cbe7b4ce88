"""The workspace image: who builds it, and the role that pulls it."""
