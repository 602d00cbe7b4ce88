"""Whether a command has anything to publish: a question publishes nothing, an edit that waits is brought."""

import pytest
from workspace.build.publish_need import has_nothing_to_publish

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import AgentResult, BuildResult, Interruption, RepairResult, StepName

NO_EDIT, EDIT = AgentResult(summary="From nine to five."), AgentResult(files_changed=["a"], files_changed_count=1)
LIVE = BuildResult(commit="a", build_success=True, deploy_success=True, deployment_id="d")
SKIPPED = BuildResult(commit="a", build_success=True, skipped=True, deployment_id="d")
REFUSED = BuildResult(
    commit="a", build_success=True, error=ErrorInfo.of(ErrorCode.PUBLISH_FAILED, "S3 does not answer")
)
UNREAD = REFUSED.model_copy(update={"build_success": False})
SECRET = BuildResult(commit="a", error=ErrorInfo.of(ErrorCode.PUSH_SECRET, "index.html"))
BROKEN = BuildResult(commit="a", error=ErrorInfo.of(ErrorCode.BUILD_FAILED, "line 3"))
SAVED = Interruption(step=StepName.BUILD, commit="a", files_changed=["a"])
UNCLAIMED = Interruption(step=StepName.BUILD)
NO_WORK = Interruption(step=StepName.AGENT, commit="a")


def command(**parts: object) -> CommandRecord:
    values = {"session_id": "s1", "command_id": "c0", "accepted_at": 1, "agent": NO_EDIT, **parts}
    return CommandRecord.model_validate(values)


def asked(*earlier: CommandRecord, **parts: object) -> bool:
    """A command after these earlier ones, the newest first."""
    names = [f"before-{number}" for number in range(len(earlier))]
    there = {
        name: record.model_copy(update={"supersedes": after})
        for name, record, after in zip(names, earlier, [*names[1:], None], strict=False)
    }
    return has_nothing_to_publish(command(supersedes=names[0] if names else None, **parts), there.get)


@pytest.mark.parametrize(
    "earlier",
    [
        [],
        [command(agent=EDIT, build=LIVE)],
        [command(agent=EDIT, build=BROKEN)],
        [command(build=SKIPPED), command(agent=EDIT, build=REFUSED)],
        [command(agent=None, interruption=NO_WORK), command(agent=EDIT, build=LIVE)],
        [command(agent=None)] * 30,
    ],
)
def test_a_question_publishes_nothing(earlier: list[CommandRecord]) -> None:
    assert asked(*earlier)


@pytest.mark.parametrize(
    "earlier",
    [
        [command(agent=EDIT, build=REFUSED)],
        [command(agent=EDIT, build=UNREAD)],
        [command(agent=EDIT, build=SECRET)],
        [command(agent=EDIT, interruption=SAVED)],
        [command(agent=None, interruption=NO_WORK), command(agent=EDIT, interruption=SAVED)],
        [command(agent=EDIT, build=REFUSED, interruption=SAVED)],
        [command(agent=EDIT, interruption=UNCLAIMED)],
        [command(agent=EDIT)],
    ],
)
def test_an_edit_whose_run_did_not_get_through_is_brought_by_the_next_command(
    earlier: list[CommandRecord],
) -> None:
    assert not asked(*earlier)


def test_an_interruption_after_the_publish_leaves_nothing_to_bring() -> None:
    assert asked(command(agent=EDIT, build=LIVE, interruption=SAVED))


def test_an_edit_of_the_agent_or_of_its_repair_is_published() -> None:
    assert not asked(agent=EDIT)
    assert not asked(repair=RepairResult(files_changed=["a"], files_changed_count=1))
    assert not asked(agent=None), "without a result of the agent nobody knows"
