"""Fails a run of the end-to-end tests in which a role lacked a right, or had one that nothing used and no reason keeps."""

from collections.abc import Iterator
from pathlib import Path

import pytest

E2E = Path(__file__).parents[2] / "e2e"


class RightsCheck:
    """Watches which tests run, in the controlling process. `findings` looks at the stack that they shared."""

    def __init__(self, config: pytest.Config) -> None:
        self._selected = bool(config.option.keyword) or any("::" in argument for argument in config.args)
        self._passed: set[str] = set()
        self._failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes the end of a test."""
        path = Path(report.nodeid.partition("::")[0])
        if path.parent.name == E2E.name:
            if report.when == "call" and report.passed:
                self._passed.add(path.name)
            self._failed |= report.failed

    @property
    def _whole(self) -> bool:
        return not self._selected and not self._failed and {file.name for file in E2E.glob("test_*.py")} <= self._passed

    def findings(self, home: Path) -> list[str]:
        """Returns what is wrong with the rights of the stack in `home`; nothing if no stack runs there."""
        if not (home / "stack.json").exists():
            return []
        from sitewright.local.aws_clients import Aws  # a second that the unit tests need not wait
        from sitewright.local.machine.stack_home import Home
        from sitewright.local.stack.stack_file import load
        from tests.support.iam.stack_rights import stack_rights

        info = load(Home(home))
        rights = stack_rights(Aws(info["endpoint_url"], info["region"]), Home(home).decisions)
        found = [f"a role lacks a right: {grant}" for grant in sorted(rights.refused)]
        if self._whole:
            granted, used = ({str(grant) for grant in grants} for grants in (rights.granted, rights.used))
            found += compared(granted, used)
        return found


def compared(granted: set[str], used: set[str]) -> list[str]:
    """Returns the rights that no test used and nobody gave a reason for, and the reasons that are out of date."""
    from tests.support.iam.unused_rights import NEVER_USED, RARELY_USED

    return [
        *_without_reason(granted - used, {*NEVER_USED, *RARELY_USED}),
        *_outdated(granted, used, NEVER_USED, RARELY_USED),
    ]


def _without_reason(unused: set[str], known: set[str]) -> Iterator[str]:
    for grant in sorted(unused - known):
        yield f"granted and never used: {grant}"


def _outdated(granted: set[str], used: set[str], never: dict[str, str], rarely: dict[str, str]) -> Iterator[str]:
    for grant in sorted(set(never) & used):
        yield f"used, so it needs no reason in NEVER_USED: {grant}"
    for grant in sorted({*never, *rarely} - granted):
        yield f"has a reason and is not granted: {grant}"
