"""The attacker looks for files of others that it can read or write, and for sockets. Prints JSON."""

import contextlib
import json
import os
import stat
import sys
from pathlib import Path

SKIPPED = {"/proc", "/sys", "/usr", "/dev/pts", "/dev/mqueue"}
OWN = os.getuid()

readable, writable, sockets = [], [], []
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in SKIPPED]  # noqa: PTH118
    for name in [*files, *folders]:
        path = Path(folder) / name
        with contextlib.suppress(OSError):
            found = path.lstat()
            if found.st_uid == OWN or stat.S_ISLNK(found.st_mode):
                continue
            if stat.S_ISSOCK(found.st_mode):
                sockets.append(str(path))
            # The code and the base system are everybody's to read. What the runner keeps is not.
            if stat.S_ISREG(found.st_mode) and found.st_uid != 0 and os.access(path, os.R_OK):
                readable.append(str(path))
            if not stat.S_ISCHR(found.st_mode) and os.access(path, os.W_OK):
                writable.append(str(path))
json.dump({"uid": OWN, "readable": readable, "writable": writable, "sockets": sockets}, sys.stdout)
