"""S3 static website hosting, with one loopback port for each site.

The emulator's own website endpoint cuts the bucket's name at its first dot; `*.localhost` does not resolve in glibc.
"""
