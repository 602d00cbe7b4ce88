"""When a run of Claude Code is over although its process lives."""

from workspace.agent.driver_messages import DriverEvent
from workspace.agent.run_watch import LINGER_SECONDS, SILENT_SECONDS, RunWatch


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def watched() -> tuple[RunWatch, Clock]:
    clock = Clock()
    return RunWatch(clock=clock), clock


def test_a_result_ends_the_run_after_seconds() -> None:
    watch, clock = watched()
    watch.note(DriverEvent(sitewright_agent="start"))
    watch.note(DriverEvent(sitewright_agent="result"))
    clock.now += LINGER_SECONDS
    assert not watch.is_over()
    clock.now += 0.1
    watch.note(DriverEvent(sitewright_agent="error"))
    assert watch.is_over(), "a second final event prolongs nothing"


def test_a_run_that_said_its_first_message_may_think_for_long() -> None:
    watch, clock = watched()
    watch.note(DriverEvent(sitewright_agent="start"))
    clock.now += 3_600
    assert not watch.is_over() and watch.heard


def test_a_run_that_says_nothing_is_given_up() -> None:
    watch, clock = watched()
    clock.now += SILENT_SECONDS
    assert not watch.is_over()
    clock.now += 0.1
    assert watch.is_over() and not watch.heard
    watch.note(DriverEvent(sitewright_agent="error"))
    assert watch.is_over() and watch.gave_up, "its end is no answer"


def test_an_error_of_the_driver_is_no_word_of_claude_codes() -> None:
    watch, _ = watched()
    watch.note(DriverEvent(sitewright_agent="error"))
    assert not watch.heard
