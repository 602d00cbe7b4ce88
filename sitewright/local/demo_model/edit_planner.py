"""Plans the next reply or tool call of a conversation. Pure: the conversation is the only state."""

import re
import shlex
from dataclasses import dataclass
from datetime import date
from typing import Any

from sitewright.local.demo_model import page_edits
from sitewright.local.demo_model.instruction_parser import EditRequest, understand

Json = dict[str, Any]
Done = tuple[Json, str | None, bool]

ABILITIES = (
    "I am the demo model and did not recognise an edit I know, so I changed nothing. I can add a heading or a paragraph, "
    "change a page's title, replace text, change the accent colour, add or delete a page and add a journal post. For example: "
    'Add a heading saying "Open on Sundays" to the contact page.'
)


_KEEP_BOTH = "git grep -l -z -E '^<{7} ' | xargs -0 -r sed -i -E -e '/^[|]{7}/,/^={7}$/{/^={7}$/!d}' -e '/^(<{7} |>{7} |={7}$)/d'"
"""Removes git's conflict markers, so that both sides stand one after the other."""

_MESSAGE = re.compile(r"^-----[0-9a-f]{32}----- message \d+ of \d+(?:, the newest)?$", re.MULTILINE)
"""The line that begins a message of the client's, in a prompt that carries interrupted ones."""

_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)


@dataclass(frozen=True)
class Reply:
    """The final text of a turn."""

    text: str


@dataclass(frozen=True)
class ToolCall:
    """A tool call; `delay` in seconds before it is answered."""

    tool: str
    arguments: Json
    delay: float = 0.0


@dataclass(frozen=True)
class Progress:
    """The newest instruction's text, and the tool calls since then with their results, oldest first."""

    instruction: str
    calls: list[Done]
    """(the tool_use block, its result's text, whether it was an error)"""


def _blocks(message: Json) -> list[Json]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(blocks: list[Json]) -> str:
    return "\n".join(
        b["text"] for b in blocks if b.get("type") == "text" and not b["text"].startswith("<system-reminder>")
    )


def progress_of(messages: list[Json]) -> Progress:
    """The newest instruction and the agent's work on it.

    After an interrupt, Claude Code puts the result of the tool that was stopped and the next instruction into one message;
    after a tool that ran, nothing but reminders stands beside its result.
    """
    instruction = ""
    results: dict[str, tuple[str, bool]] = {}
    uses: list[Json] = []
    for message in messages:
        blocks = _blocks(message)
        for block in blocks:
            if block.get("type") == "tool_use":
                uses.append(block)
            elif block.get("type") == "tool_result":
                content = block.get("content") or ""
                text = content if isinstance(content, str) else _text(content)
                results[block["tool_use_id"]] = (text, bool(block.get("is_error")))
        said = _REMINDER.sub("", _text(blocks)) if message["role"] == "user" else ""
        said = "\n".join(line for line in said.split("\n") if not line.startswith("[Request interrupted by user"))
        if said.strip():
            instruction, uses = said, []
    return Progress(instruction, [(use, *results.get(use["id"], (None, False))) for use in uses])


def working_folder(system: Any, messages: list[Json]) -> str:
    """The folder Claude Code says it works in, or an empty string; a resumed conversation tells a new one, so the last counts."""
    texts = [b.get("text", "") for b in system] if isinstance(system, list) else [str(system or "")]
    texts += [b.get("text", "") for m in messages for b in _blocks(m) if b.get("type") == "text"]
    found = [folder for text in texts for folder in re.findall(r"(?:[Ww]orking directory|cwd):\s*(\S+)", text)]
    return found[-1].rstrip("/") if found else ""


def next_action(turn: Progress, folder: str, today: date = date(2026, 1, 15), number: int = 0) -> Reply | ToolCall:
    """The next step of the newest turn; with another `number`, a heading nobody worded reads differently.

    A prompt with several messages is carried out message by message. The first calls are the first message's, as many as it
    takes to its reply.
    """
    done, said = turn.calls, list[str]()
    for wish in wishes_of(turn.instruction):
        for taken in range(len(done) + 1):
            action = _next_of(understand(wish), done[:taken], folder, today, number)
            if isinstance(action, Reply):
                break
        if isinstance(action, ToolCall):
            return action
        done = done[taken:]
        said.append(action.text)
    return Reply(" ".join(said))


def wishes_of(instruction: str) -> list[str]:
    """The messages in a prompt: several where a command took over what was interrupted."""
    return [text.strip() for text in _MESSAGE.split(instruction)[1:]] or [instruction]


def _next_of(request: EditRequest, done: list[Done], folder: str, today: date, number: int) -> Reply | ToolCall:
    match request.kind:
        case "none":
            return Reply(ABILITIES)
        case "page" | "post":
            return _new_file(request, done, folder, today)
        case "delete":
            return _delete(request, done, folder)
        case "command" | "notes" | "combine":
            return _work(request, done, folder)
        case _:
            return _change(request, done, folder, number)


def _failed(step: Done) -> Reply:
    return Reply(f"That did not work: {(step[1] or '')[:300]}")


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


def _called(page: str) -> str:
    return "homepage" if page == "index" else f"{page} page"


def _work(request: EditRequest, done: list[Done], folder: str) -> Reply | ToolCall:
    # A note of an interrupted turn is there already, and Claude Code overwrites no file that it has not read.
    if done and done[-1][2] and not (request.kind == "notes" and "has not been read" in (done[-1][1] or "")):
        return _failed(done[-1])
    if request.kind == "command":
        if done:
            return Reply("I ran the command.")
        return ToolCall("Bash", {"command": request.text, "description": "Run it"})
    if request.kind == "combine":
        if done:
            return Reply("I kept both changes.")
        return ToolCall("Bash", {"command": _KEEP_BOTH, "description": "Keep both sides"})
    if len(done) < request.count:
        number = len(done) + 1
        text = f"# Note {number}\n\nA thought about bread.\n"
        return ToolCall("Write", {"file_path": f"{folder}/notes/note-{number}.md", "content": text}, request.seconds)
    return Reply(f"I wrote {request.count} notes.")


def _new_file(request: EditRequest, done: list[Done], folder: str, today: date) -> Reply | ToolCall:
    title, name = request.text, page_edits.slug(request.text)
    if request.kind == "post":
        what, path = "journal post", f"{folder}/src/content/journal/{name}.md"
        text = page_edits.new_post(title, today.isoformat())
    else:
        what, path = "page", f"{folder}/src/pages/{name}.astro"
        text = page_edits.new_page(title)
    # Claude Code refuses to overwrite what it has not read, and a client would not want it either.
    if not done:
        return ToolCall("Read", {"file_path": path})
    if not done[0][2]:
        return Reply(f"There is a {what} “{_short(title)}” already, so I changed nothing.")
    if len(done) == 1:
        return ToolCall("Write", {"file_path": path, "content": text})
    if done[1][2]:
        return _failed(done[1])
    if request.kind == "post":
        return Reply(f"I added the journal post “{_short(title)}”.")
    return _navigation(done[2:], folder, f"I added the page “{_short(title)}”", f"/{name}/", title)


def _delete(request: EditRequest, done: list[Done], folder: str) -> Reply | ToolCall:
    name = page_edits.slug(request.text)
    path = f"{folder}/src/pages/{name}.astro"
    if name in {"index", "404"}:
        return Reply(f"A site cannot do without its {_called(name)}, so I changed nothing.")
    if not done:
        return ToolCall("Read", {"file_path": path})
    if done[0][2]:
        return Reply(f"There is no page “{_short(request.text)}” that I could delete, so I changed nothing.")
    if len(done) == 1:
        return ToolCall("Bash", {"command": f"rm -- {shlex.quote(path)}", "description": f"Delete the {name} page"})
    if done[1][2]:
        return _failed(done[1])
    return _navigation(done[2:], folder, f"I deleted the {name} page", f"/{name}/", None)


def _navigation(done: list[Done], folder: str, did: str, address: str, title: str | None) -> Reply | ToolCall:
    """A title puts the address into the site's navigation, None takes it out."""
    path = f"{folder}/src/layouts/Layout.astro"
    if not done:
        return ToolCall("Read", {"file_path": path})
    before = page_edits.without_line_numbers(done[0][1] or "")
    after = page_edits.unlink(before, address) if title is None else page_edits.link(before, address, title)
    if done[0][2] or after == before:
        return Reply(f"{did}; the navigation is as it was.")
    if len(done) == 1:
        return ToolCall("Write", {"file_path": path, "content": after})
    if done[1][2]:
        return Reply(f"{did}, but could not change the navigation: {(done[1][1] or '')[:200]}")
    return Reply(f"{did} and {'unlinked it' if title is None else 'linked it'} in the navigation.")


def _change(request: EditRequest, done: list[Done], folder: str, number: int) -> Reply | ToolCall:
    if request.kind == "colour" and page_edits.colour(request.text) is None:
        return Reply(
            f"I do not know the colour “{_short(request.text)}”, so I changed nothing. Name it in CSS, or as #rrggbb."
        )
    paths = [f"{folder}/src/pages/{request.page}.astro", f"{folder}/src/pages/{request.page}/index.astro"]
    if request.kind == "colour":
        paths = [f"{folder}/src/styles/global.css"]
    misses = 0
    while misses < len(done) and done[misses][2] and done[misses][0].get("name") == "Read":
        misses += 1
    if misses == len(done):
        if misses < len(paths):
            return ToolCall("Read", {"file_path": paths[misses]})
        return Reply(f"There is no {'stylesheet' if len(paths) == 1 else _called(request.page)}, so I changed nothing.")
    if len(done) == misses + 1:
        before = page_edits.without_line_numbers(done[misses][1] or "")
        if request.kind == "heading" and request.text and page_edits.has_heading(before, request.text):
            return Reply(
                f"The {_called(request.page)} has the heading “{_short(request.text)}” already; I changed nothing."
            )
        after = apply(request, before, number)
        if after == before:
            return Reply(_nothing(request))
        return ToolCall("Write", {"file_path": paths[misses], "content": after})
    return _failed(done[-1]) if done[-1][2] else Reply(_summary(request))


def apply(request: EditRequest, text: str, number: int = 0) -> str:
    """A file's text with the request done to it."""
    match request.kind:
        case "heading":
            return page_edits.insert(
                text, f"<h2>{page_edits.escape(request.text or page_edits.fresh_heading(text, number))}</h2>"
            )
        case "paragraph":
            return page_edits.insert(text, f"<p>{page_edits.escape(request.text)}</p>")
        case "title":
            return page_edits.retitle(text, request.text)
        case "replace":
            return page_edits.replace(text, request.old, request.text)
        case "colour":
            return page_edits.recolour(text, page_edits.colour(request.text) or "inherit")
        case "break":
            return page_edits.broken(text, stubborn=request.text == "stubborn")
        case "repair":
            return page_edits.repaired(text)
        case _:
            return text


def _nothing(request: EditRequest) -> str:
    page = _called(request.page)
    why = {
        "title": f"The {page} has that title already, or none that I can change",
        "replace": f"I did not find “{_short(request.old)}” on the {page}",
        "colour": f"The accent colour is {request.text} already, or the stylesheet has none",
        "repair": f"I found no mistake of mine on the {page}",
    }.get(request.kind, "There is nothing to change")
    return f"{why}; I changed nothing."


def _summary(request: EditRequest) -> str:
    page = _called(request.page)
    return {
        "heading": f"I added a heading to the {page}.",
        "paragraph": f"I added a paragraph to the {page}.",
        "title": f"The {page} is titled “{_short(request.text)}” now.",
        "replace": f"I replaced the text on the {page}.",
        "colour": f"The accent colour is {page_edits.colour(request.text)} now.",
        "break": f"I put a mistake into the {page}.",
        "repair": f"I took the mistake out of the {page}.",
    }.get(request.kind, "Done.")
