"""The archive of the functions' packages: where it is, and how Lambda expects it."""

REQUIREMENTS = "lambdas/requirements.txt"
"""The pinned packages. The archive contains a copy below the same name, so that its age shows."""

ARCHIVE = "function-packages.zip"
"""The archive in the virtual environment."""

PYTHON = "3.13"
"""The version of Lambda's Python runtime."""

PLATFORM = "manylinux2014_aarch64"
"""The functions' processor, and an older glibc than that of Amazon Linux 2023 (PEP 599; AL2023 User Guide: glibc 2.34)."""

SITE_PACKAGES = f"python/lib/python{PYTHON}/site-packages"
"""Where a layer has its packages (Lambda Developer Guide, "Packaging your layer content").

Lambda also takes `python/`. The emulator runs functions in the machine's own Python and puts that folder before everything
else: packages for another processor would hide its own. It puts `site-packages` last.
"""
