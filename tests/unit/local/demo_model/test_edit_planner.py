from datetime import date
from typing import Any

import pytest
from workspace.agent.prompt import unfinished_wishes

from sitewright.local.demo_model.edit_planner import (
    ABILITIES,
    Reply,
    ToolCall,
    next_action,
    progress_of,
    working_folder,
)
from sitewright.local.demo_model.page_edits import without_line_numbers

Json = dict[str, Any]
TODAY = date(2026, 5, 4)
MISSING = ("File does not exist.", True)
PAGE = "1→<main>\n2→  <h1>Hello</h1>\n3→</main>"
LAYOUT = '1→const links = [\n2→  ["/", "Home"],\n3→  ["/menu/", "Menu"],\n4→];'


def user(*texts: str) -> Json:
    return {"role": "user", "content": [{"type": "text", "text": text} for text in texts]}


def used(number: int, name: str = "Read", **arguments: str) -> Json:
    return {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": f"t{number}", "name": name, "input": arguments}],
    }


def result(number: int, text: str, wrong: bool = False, *more: str) -> Json:
    blocks: list[Json] = [{"type": "tool_result", "tool_use_id": f"t{number}", "content": text, "is_error": wrong}]
    return {"role": "user", "content": blocks + [{"type": "text", "text": t} for t in more]}


def play(instruction: str, *results: tuple[str, bool]) -> list[Reply | ToolCall]:
    """The actions of a whole turn, given what the tools answer."""
    messages, actions = [user(instruction)], []
    for number in range(len(results) + 1):
        action = next_action(progress_of(messages), "/site", TODAY)
        actions.append(action)
        if isinstance(action, Reply) or number == len(results):
            break
        text, wrong = results[number]
        messages += [used(number, action.tool, **action.arguments), result(number, text, wrong)]
    return actions


def said(actions: list[Reply | ToolCall]) -> str:
    assert isinstance(actions[-1], Reply), actions[-1]
    return actions[-1].text


def called(actions: list[Reply | ToolCall]) -> list[tuple[str, str]]:
    return [
        (a.tool, a.arguments.get("file_path") or a.arguments["command"]) for a in actions if isinstance(a, ToolCall)
    ]


def test_the_newest_turn_is_what_happened_since_the_last_instruction() -> None:
    turn = progress_of(
        [user("first"), used(1), result(1, "a"), user("<system-reminder>x</system-reminder>", "second"), used(2)]
    )
    assert turn.instruction == "second"
    assert [(use["id"], text) for use, text, _ in turn.calls] == [("t2", None)]


def test_an_instruction_beside_the_result_of_an_interrupted_tool_counts() -> None:
    stopped = result(1, "stopped", True, "[Request interrupted by user for tool use]", "second")
    turn = progress_of([user("first"), used(1), stopped])
    assert turn.instruction == "second"
    assert turn.calls == []


def test_a_reminder_beside_a_result_is_no_instruction() -> None:
    reminded = result(1, "a", False, "<system-reminder>be quick</system-reminder>", "[Request interrupted by user]")
    turn = progress_of([user("first"), used(1), reminded])
    assert turn.instruction == "first"
    assert len(turn.calls) == 1


def test_the_newest_working_folder_counts() -> None:
    assert working_folder("Primary working directory: /a", [user("Working directory: /b/")]) == "/b"
    assert working_folder(None, []) == ""


def test_a_heading_is_read_then_written() -> None:
    actions = play('Add a heading saying "<b>{x}" to the homepage', (PAGE, False), ("ok", False))
    assert called(actions) == [("Read", "/site/src/pages/index.astro"), ("Write", "/site/src/pages/index.astro")]
    assert isinstance(actions[1], ToolCall)
    assert "<h2>&lt;b&gt;&#123;x&#125;</h2>" in actions[1].arguments["content"]
    assert said(actions) == "I added a heading to the homepage."


TOLD = "The build of the website fails after your edit. Correct it.\n\n---\n[ERROR] src/pages/menu.astro:4:8 oh\n---"


def test_a_mistake_is_taken_out_when_the_build_tells_of_it() -> None:
    made = play("Introduce a syntax error on the menu page", (PAGE, False), ("ok", False))
    assert isinstance(made[1], ToolCall)
    shown = "\n".join(f"{n}→{line}" for n, line in enumerate(made[1].arguments["content"].splitlines(), 1))
    actions = play(TOLD, (shown, False), ("ok", False))
    assert called(actions) == [("Read", "/site/src/pages/menu.astro"), ("Write", "/site/src/pages/menu.astro")]
    assert isinstance(actions[1], ToolCall)
    assert actions[1].arguments["content"] == without_line_numbers(PAGE)
    assert said(actions) == "I took the mistake out of the menu page."


def test_a_stubborn_mistake_stays() -> None:
    made = play("Introduce a stubborn syntax error on the menu page", (PAGE, False), ("ok", False))
    assert isinstance(made[1], ToolCall)
    shown = "\n".join(f"{n}→{line}" for n, line in enumerate(made[1].arguments["content"].splitlines(), 1))
    actions = play(TOLD, (shown, False))
    assert "changed nothing" in said(actions) and len(called(actions)) == 1


def test_a_heading_that_is_there_is_said_to_be_there() -> None:
    actions = play('Add a heading saying "Hello" to the homepage', (PAGE, False))
    assert "already" in said(actions)
    assert len(called(actions)) == 1


def test_a_page_may_be_the_index_of_a_folder() -> None:
    actions = play("Add a heading to the journal", MISSING, (PAGE, False), ("ok", False))
    assert called(actions)[1:] == [(tool, "/site/src/pages/journal/index.astro") for tool in ("Read", "Write")]


def test_a_page_that_is_not_there_is_said_not_to_be_there() -> None:
    assert said(play("Add a heading to the wedding page", MISSING, MISSING)) == (
        "There is no wedding page, so I changed nothing."
    )


def test_a_new_page_is_linked_in_the_navigation() -> None:
    actions = play('Add a page called "Cakes"', MISSING, ("ok", False), (LAYOUT, False), ("ok", False))
    assert [tool for tool, _ in called(actions)] == ["Read", "Write", "Read", "Write"]
    assert isinstance(actions[3], ToolCall)
    assert '["/cakes/", "Cakes"]' in actions[3].arguments["content"]
    assert said(actions) == "I added the page “Cakes” and linked it in the navigation."


@pytest.mark.parametrize("what", ["page", "journal post"])
def test_what_is_there_is_not_overwritten(what: str) -> None:
    actions = play(f'Add a {what} called "Cakes"', (PAGE, False))
    assert [tool for tool, _ in called(actions)] == ["Read"]
    assert "already" in said(actions)


def test_a_journal_post_has_the_date_of_the_day() -> None:
    actions = play('Add a journal post titled "News"', MISSING, ("ok", False))
    assert isinstance(actions[1], ToolCall)
    assert "date: 2026-05-04" in actions[1].arguments["content"]
    assert said(actions) == "I added the journal post “News”."


def test_a_page_is_deleted_and_unlinked() -> None:
    actions = play("Delete the menu page", (PAGE, False), ("", False), (LAYOUT, False), ("ok", False))
    assert called(actions)[1] == ("Bash", "rm -- /site/src/pages/menu.astro")
    assert isinstance(actions[3], ToolCall)
    assert "/menu/" not in actions[3].arguments["content"]
    assert said(actions) == "I deleted the menu page and unlinked it in the navigation."


@pytest.mark.parametrize("text", ["Delete the homepage", "Remove the 404 page"])
def test_some_pages_stay(text: str) -> None:
    assert "changed nothing" in said(play(text))


def test_a_page_that_is_not_there_is_not_deleted() -> None:
    actions = play('Delete the page "../../$(id)"', MISSING)
    assert called(actions) == [("Read", "/site/src/pages/id.astro")]
    assert "no page" in said(actions)


@pytest.mark.parametrize("text", ["Change the accent colour to ", "Füge eine Überschrift hinzu", "🥐"])
def test_an_unknown_instruction_changes_nothing_and_says_what_is_known(text: str) -> None:
    assert play(text) == [Reply(ABILITIES)]


def test_messages_that_were_interrupted_are_carried_out_one_after_the_other() -> None:
    wishes = ['Add a heading saying "One" to the homepage', "Run the command: `touch a`", "Run the command: `touch b`"]
    asked = unfinished_wishes.prompt(wishes[-1], wishes[:-1])
    actions = play(asked, (PAGE, False), ("ok", False), ("", False), ("", False))
    assert called(actions) == [
        ("Read", "/site/src/pages/index.astro"),
        ("Write", "/site/src/pages/index.astro"),
        ("Bash", "touch a"),
        ("Bash", "touch b"),
    ]
    assert said(actions) == "I added a heading to the homepage. I ran the command. I ran the command."


def test_an_unknown_colour_changes_nothing() -> None:
    assert "changed nothing" in said(play("Change the accent colour to sausage"))


def test_a_tool_that_fails_ends_the_turn() -> None:
    assert said(play("Add a heading to the homepage", (PAGE, False), ("disk full", True))) == (
        "That did not work: disk full"
    )
