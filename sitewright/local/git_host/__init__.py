"""The git host: bare repositories behind `git http-backend` on loopback, for those who have the token."""
