"""The limits of what unreviewed code may leave behind: counts, sizes and names. Each has its reason and an error code.

Sizes are in bytes and apparent: a sparse file counts with its whole length, for a reader has to read it.
"""

DIST_FILES = 100_000
"""Files in dist. The manifest of so many has 25 MB of text, and the publisher and record_sync keep it in memory.

Error: site_too_large.
"""

DIST_ENTRIES = 4 * DIST_FILES
"""Files, folders and anything else in dist. Empty folders are not published, but walking through them takes time.

Error: site_too_large.
"""

DIST_FILE_BYTES = 1 * 2**30
"""One file in dist. A rollback copies objects of up to 5 GB (S3 API reference, CopyObject), and a visitor waits.

Error: site_too_large.
"""

DIST_BYTES = 5 * 2**30
"""All files in dist together. Each publish reads them all, at some 400 MB/s. A task of Fargate has a disk of 20 GiB.

Error: site_too_large.
"""

KEY_BYTES = 1024
"""The path of a file in dist, in UTF-8. It is the object's key (S3 User Guide, "Naming Amazon S3 objects").

Error: unpublishable_name.
"""

PACKAGE_FILE_BYTES = 8 * 2**20
"""package.json, .npmrc and other settings of a package manager. The largest in practice have some 100 KB.

Error: build_failed.
"""

LOCKFILE_BYTES = 64 * 2**20
"""A lock file. One for 2,000 packages has 1 MB.

Error: build_failed.
"""

MODULES_BYTES = 4 * 2**30
"""All files of node_modules, for the shared archive. More are installed in each workspace, and archived for none."""

BUILD_CACHE_FILES = 50_000
"""Files of a session's build cache. A larger one is not saved."""

BUILD_CACHE_BYTES = 128 * 2**20
"""All files of a session's build cache. Restoring a larger one takes longer than it saves."""

CHECKOUT_FILE_BYTES = 100 * 2**20
"""One file in the checkout. GitHub refuses a push with a larger one (GitHub Docs, "About large files on GitHub").

Error: file_too_large. The file stays in the workspace, but in no commit and no checkpoint.
"""

NEW_FILES = 10_000
"""New files of one edit that git does not ignore. git stores some 1,000 a second, and stores them twice.

Error: too_many_files. The folders that hold them are left out of commits and checkpoints.
"""

CHECKOUT_ENTRIES = 500_000
"""Files and folders in the checkout, besides those that git ignores at the top. A look at so many takes two seconds.

Error: too_many_files.
"""

GIT_INDEX_BYTES = 256 * 2**20
"""git's index. That of 500,000 files has some 60 MB."""

PACK_BYTES = 2 * 2**30
"""The objects that one push brings from the checkout. GitHub refuses a larger push.

Error: objects_refused.
"""

GIT_MEMORY_BYTES = 1 * 2**30
"""The memory of the git commands that make and check a pack of the guest's. A task has 4 GB by default.

Error: objects_refused.
"""

BUNDLE_BYTES = 2 * 2**30
"""The history of a session in a checkpoint. It is packed in one file, and the guest may write no larger one."""

TRANSCRIPT_BYTES = 64 * 2**20
"""One transcript of Claude Code. One of 100 turns has some 2 MB. A larger one is in no checkpoint and is not resumed:
the next command begins a new conversation, and its answer says so."""

TRANSCRIPTS_BYTES = 256 * 2**20
"""All transcripts of a session in a checkpoint, the newest first."""

TRANSCRIPT_FILES = 5_000
"""Transcripts of a session, with those of subagents and long tool results."""
