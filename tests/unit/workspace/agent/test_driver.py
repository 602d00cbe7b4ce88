"""The driver's message for a run of Claude Code without a result."""

from claude_agent_sdk import CLIJSONDecodeError, ProcessError
from workspace.agent.driver import broke_off


def test_an_exit_code_is_told_without_the_sdks_reference_to_what_it_does_not_have() -> None:
    said = broke_off(ProcessError("Command failed with exit code 1", 1, "Check stderr output for details"))
    assert said == "Claude Code exited with 1 before it came to a result. Its last words are in the run's log."


def test_any_other_fault_is_told_with_its_kind() -> None:
    said = broke_off(CLIJSONDecodeError("{half", ValueError("eof")))
    assert said.startswith("Claude Code broke off without a result: ") and said.endswith("(CLIJSONDecodeError)")
