"""S3 static website hosting on a loopback port a site.

The emulator's own website endpoint cuts the bucket's name at its first dot; `*.localhost` does not resolve in glibc.
"""
