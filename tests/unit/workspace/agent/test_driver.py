"""The driver's message for a run of Claude Code without a result."""

from claude_agent_sdk import CLIJSONDecodeError, ProcessError
from workspace.agent.driver import broke_off


def test_an_exit_code_is_reported_without_the_sdks_missing_reference() -> None:
    said = broke_off(ProcessError("Command failed with exit code 1", 1, "Check stderr output for details"))
    assert said == "Claude Code exited with 1 before it came to a result. Its last words are in the run's log."


def test_any_other_error_is_reported_with_its_class() -> None:
    said = broke_off(CLIJSONDecodeError("{half", ValueError("eof")))
    assert said.startswith("Claude Code broke off without a result: ") and said.endswith("(CLIJSONDecodeError)")
