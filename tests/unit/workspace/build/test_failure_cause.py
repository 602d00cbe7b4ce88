"""The decision whether the command's edit caused a failed build."""

from typing import Any

import pytest
from workspace.build.failure_cause import BuildPart, caused_by_edit

PAGE = ["src/pages/index.astro"]
SYNTAX = "npm run build exited with 1.\n12:30:01 [build] src/pages/index.astro:31:4 Unable to parse after 1.2 s"


def is_edits_fault(part: BuildPart = BuildPart.BUILD, **known: Any) -> bool:
    values = {"returncode": 1, "log": SYNTAX, "edited": PAGE, "message": SYNTAX, "before": None}
    return caused_by_edit(part, **{**values, **known})


def test_a_build_error_is_caused_by_the_edit() -> None:
    assert is_edits_fault()
    assert is_edits_fault(returncode=0, log=""), "no dist/ folder"


@pytest.mark.parametrize(
    "log",
    [
        "npm error code ECONNREFUSED",
        "npm error code E503",
        "npm error code E429",
        "getaddrinfo EAI_AGAIN registry.example.com",
        "TypeError: fetch failed",
        "FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript heap out of memory",
        "ENOSPC: no space left on device, write",
    ],
)
def test_faults_of_network_and_machine_are_not_the_edits(log: str) -> None:
    assert not is_edits_fault(log=log)
    assert not is_edits_fault(BuildPart.INSTALL, log=log, edited=["package.json"])


@pytest.mark.parametrize("returncode", [-9, 134, 137, 143])
def test_a_killed_build_is_not_given_back(returncode: int) -> None:
    assert not is_edits_fault(returncode=returncode)


@pytest.mark.parametrize("part", [BuildPart.TIME, BuildPart.MACHINE])
def test_a_time_limit_and_a_disk_are_not_given_back(part: BuildPart) -> None:
    assert not is_edits_fault(part)


@pytest.mark.parametrize("part", [BuildPart.PACKAGE, BuildPart.INSTALL])
def test_a_failed_installation_is_caused_by_edits_of_its_inputs_only(part: BuildPart) -> None:
    assert not is_edits_fault(part, log="npm error code E404")
    for name in ("package.json", "package-lock.json", ".npmrc"):
        assert is_edits_fault(part, log="npm error code E404", edited=[*PAGE, name])


def test_the_same_failure_as_before_is_not_given_back() -> None:
    again = SYNTAX.replace("12:30:01", "12:35:59").replace("31:4", "33:4").replace("1.2 s", "0.9 s")
    assert not is_edits_fault(before=again)
    assert is_edits_fault(before=SYNTAX.replace("index", "menu"))


@pytest.mark.parametrize("took", ["980ms", "12 ms", "1 min", "3.41s"])
def test_a_failure_is_the_same_however_long_it_took(took: str) -> None:
    assert not is_edits_fault(before=SYNTAX.replace("1.2 s", took))
