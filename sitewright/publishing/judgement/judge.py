"""Judges the plans of one publish. Reads the changed pages; all that it decides is decided by pure functions beside it."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from sitewright.contracts.error_codes import ErrorCode
from sitewright.publishing.dist_files import read_each
from sitewright.publishing.errors import PublishError
from sitewright.publishing.judgement import lost_pages, output_files
from sitewright.publishing.judgement.broken_links import References, baseline, broken_references, listed, new_broken
from sitewright.publishing.judgement.findings import Finding, PublishRefused, counted
from sitewright.publishing.judgement.lost_pages import Edit, missing_pages
from sitewright.publishing.manifest import Manifest
from sitewright.publishing.pages.addresses import INDEX
from sitewright.publishing.pages.page_links import PAGE_BYTES, LinkKind, LinkReader
from sitewright.publishing.plan import Plan
from sitewright.publishing.site_files import LocalFile, SiteFile, is_html

_CHECK_SECONDS = 0.5


@dataclass
class Judge:
    """Judges a publish before it replaces anything. Called with each plan; the last one counts."""

    files: Sequence[SiteFile]
    """The build."""
    root: str
    """The build's folder."""
    host: str
    """The site's host name."""
    edit: Callable[[str | None], Edit]
    """Returns what changed since a commit. Called only if many pages would vanish."""
    log: Callable[..., None] = field(repr=False)
    allowed: Collection[ErrorCode] = ()
    """What an operator allowed for this publish."""
    partial: bool = False
    """Whether the publish only adds and replaces files."""
    broken: dict[str, tuple[LinkKind, str]] = field(default_factory=dict)
    """The references of the changed pages that lead nowhere."""
    notes: list[str] = field(default_factory=list)
    """What the response says, although nothing is refused."""

    def __call__(self, plan: Plan, manifest: Manifest | None, keep_lease: Callable[[], None]) -> list[str] | None:
        """Returns the site's broken paths after the publish, None if they are unknown.

        Raises PublishRefused, PublishError (a file of the build cannot be read), and what `keep_lease` raises.
        """
        began = time.monotonic()
        keys = {file.key for file in self.files}
        live = [key for key, entry in plan.live.items() if entry.retired_at is None]
        new = [file for phase in plan.phases for file in phase if isinstance(file, LocalFile)]
        findings = [
            None if self.partial else output_files.missing_root_page(live, keys),
            output_files.server_code([file.key for file in new], keys),
            output_files.lfs_pointers(new),
            None if self.partial else self._missing_pages(live, keys, manifest),
        ]
        # After a publish the bucket has the build, and hashed assets of older pages.
        kept = set(plan.live) if self.partial else set(plan.live) - set(plan.deletes)
        references = self._references(new, keep_lease)
        self.broken = references.broken(keys | kept)
        before = manifest.broken_paths if manifest is not None else None
        worse = new_broken(self.broken, before)
        if before is not None:
            findings.append(broken_references(references, worse, () if self.partial else plan.deletes))
        self._decide([finding for finding in findings if finding is not None])
        self.notes = self._noted(worse, live, keys)
        self.log(
            "judged the publish",
            pages=sum(is_html(file.key) for file in new),
            broken=len(self.broken),
            seconds=round(time.monotonic() - began, 3),
        )
        pages = {file.key for file in new if is_html(file.key)}
        all_pages = pages >= {key for key in keys | (kept if self.partial else set()) if is_html(key)}
        return baseline(before, self.broken, keys | kept, all_pages=all_pages)

    def _missing_pages(self, live: Collection[str], keys: Collection[str], manifest: Manifest | None) -> Finding | None:
        lost = len(lost_pages.vanished(live, keys))
        if not lost_pages.is_many(lost, len([key for key in live if is_html(key)])):
            return None
        return missing_pages(live, keys, self.edit(manifest.commit if manifest else None))

    def _references(self, new: Sequence[LocalFile], keep_lease: Callable[[], None]) -> References:
        reader, found = LinkReader(frozenset({self.host.lower()})), References()
        # A flat page has two keys and is read once. The pages that lead to flat ones have no reference of their own.
        read = {file.name: file for file in new if file.root == self.root and _is_read(file)}
        checked = time.monotonic()
        try:
            for file, content in read_each([read[name] for name in sorted(read)], PAGE_BYTES):
                links = reader.of_page if is_html(file.name) else reader.of_stylesheet
                found.add(file.name, links(file.name, content))
                if time.monotonic() - checked > _CHECK_SECONDS:
                    keep_lease()
                    checked = time.monotonic()
        except OSError as error:
            raise PublishError.of(self.host, "", error) from error
        return found

    def _decide(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            if finding.code in self.allowed:
                self.log("allowed by the operator", level="warning", code=finding.code.value, finding=finding.text)
        if refused := [finding for finding in findings if finding.code not in self.allowed]:
            raise PublishRefused(refused)

    def _noted(self, worse: dict[str, tuple[LinkKind, str]], live: Collection[str], keys: Collection[str]) -> list[str]:
        notes = []
        told = {path: found for path, found in worse.items() if found[0] is not LinkKind.HINT}
        if told:
            notes.append(f"Nothing answers at {counted(len(told), 'path')} that changed pages name: {listed(told)}.")
        if not self.partial and INDEX not in keys and INDEX not in live:
            notes.append("The build has no index.html at its top, so the site's own address leads nowhere.")
        return notes


def _is_read(file: LocalFile) -> bool:
    return is_html(file.name) or file.name.lower().endswith(".css")
