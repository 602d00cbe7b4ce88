"""Turns a process that was started early into the guest, at the moment when its request arrives.

Until then it runs as the runner's user, with the two capabilities that changing users takes. So a process that waits for
its request neither counts as the guest's, nor can a program of the guest reach it.
"""

import ctypes
import os
import sys
from collections.abc import Mapping

BECOME_GUEST = "SITEWRIGHT_BECOME_GUEST"
"""The environment variable with the guest's uid, for a program that starts early."""

_CAPABILITY_VERSION_3 = 0x20080522


def become_guest(environ: Mapping[str, str]) -> None:
    """Becomes the guest for good, if the environment asks for it. Ends the process if that fails."""
    asked = environ.get(BECOME_GUEST)
    if not asked:
        return
    uid = int(asked)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    _drop_capabilities()
    if os.getresuid() != (uid, uid, uid) or os.getresgid() != (uid, uid, uid) or os.getgroups():
        sys.exit("the program could not become the guest")


def _drop_capabilities() -> None:
    # The change from one user to another keeps them, unless the first is root (capabilities(7)). Ambient capabilities
    # go with the permitted ones.
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, data) != 0:
        sys.exit(f"the program could not drop its capabilities (errno {ctypes.get_errno()})")
