"""From a conversation to the next thing to say or do. Pure: the conversation is all the state there is."""

import re
from dataclasses import dataclass
from typing import Any

from local.demo_model.edits import broken, escape, fresh_heading, insert, recolour, retitle, without_line_numbers
from local.demo_model.instructions import Request, understand

Json = dict[str, Any]

ABILITIES = (
    "I am the demo model and changed nothing. I know: add a heading or a paragraph, change a page's title, replace text, "
    "change the accent colour, add a page, add a journal post, write notes, run a command."
)


@dataclass(frozen=True)
class Say:
    """The final text of a turn."""

    text: str


@dataclass(frozen=True)
class Call:
    """A tool call; `delay` in seconds before it is answered."""

    tool: str
    arguments: Json
    delay: float = 0.0


@dataclass(frozen=True)
class Turn:
    """What happened since the newest instruction: its text, and tool calls with their results, oldest first."""

    instruction: str
    calls: list[tuple[Json, str | None, bool]]
    """(the tool_use block, its result's text, whether it was an error)"""


def _blocks(message: Json) -> list[Json]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(blocks: list[Json]) -> str:
    return "\n".join(
        b["text"] for b in blocks if b.get("type") == "text" and not b["text"].startswith("<system-reminder>")
    )


def newest_turn(messages: list[Json]) -> Turn:
    """The newest instruction and what was done about it."""
    start = 0
    for index, message in enumerate(messages):
        blocks = _blocks(message)
        if (
            message["role"] == "user"
            and not any(b.get("type") == "tool_result" for b in blocks)
            and _text(blocks).strip()
        ):
            start = index
    results: dict[str, tuple[str, bool]] = {}
    uses: list[Json] = []
    for message in messages[start:]:
        for block in _blocks(message):
            if block.get("type") == "tool_use":
                uses.append(block)
            elif block.get("type") == "tool_result":
                content = block.get("content") or ""
                text = content if isinstance(content, str) else _text(content)
                results[block["tool_use_id"]] = (text, bool(block.get("is_error")))
    instruction = _text(_blocks(messages[start])) if messages else ""
    instruction = re.sub(r"<system-reminder>.*?</system-reminder>", "", instruction, flags=re.DOTALL)
    return Turn(instruction, [(use, *results.get(use["id"], (None, False))) for use in uses])


def working_folder(system: Any, messages: list[Json]) -> str:
    """The folder Claude Code says it works in, or an empty string; a resumed conversation tells a new one, so the last counts."""
    texts = [b.get("text", "") for b in system] if isinstance(system, list) else [str(system or "")]
    texts += [b.get("text", "") for m in messages for b in _blocks(m) if b.get("type") == "text"]
    found = [folder for text in texts for folder in re.findall(r"(?:[Ww]orking directory|cwd):\s*(\S+)", text)]
    return found[-1].rstrip("/") if found else ""


def next_action(turn: Turn, folder: str) -> Say | Call:
    """The next step of the newest turn."""
    request = understand(turn.instruction)
    done = turn.calls
    if done and done[-1][2]:
        return Say(f"That did not work: {(done[-1][1] or '')[:300]}")
    match request.kind:
        case "none":
            return Say(ABILITIES)
        case "command":
            return (
                Call("Bash", {"command": request.text, "description": "Run it"})
                if not done
                else Say("I ran the command.")
            )
        case "notes":
            if len(done) < request.count:
                number = len(done) + 1
                path = f"{folder}/notes/note-{number}.md"
                text = f"# Note {number}\n\n{request.text or 'A thought about bread.'}\n"
                return Call("Write", {"file_path": path, "content": text}, request.seconds)
            return Say(f"I wrote {request.count} notes.")
        case "page" | "post":
            return _new_file(request, done, folder)
        case _:
            return _change(request, done, folder)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "untitled"


def _new_file(request: Request, done: list[Any], folder: str) -> Say | Call:
    title = request.text.replace('"', "'")
    if request.kind == "post":
        path = f"{folder}/src/content/journal/{_slug(request.text)}.md"
        text = (
            f'---\ntitle: "{title}"\ndate: 2026-01-15\nsummary: "News from the bakery."\n---\n\nMore about it soon.\n'
        )
    else:
        path = f"{folder}/src/pages/{_slug(request.text)}.astro"
        heading = escape(request.text)
        text = (
            "---\nimport Layout from '../layouts/Layout.astro';\n---\n\n"
            f'<Layout title="{title}">\n  <main>\n    <h1>{heading}</h1>\n  </main>\n</Layout>\n'
        )
    if not done:
        return Call("Write", {"file_path": path, "content": text})
    return Say(f"I added “{request.text}”.")


def _change(request: Request, done: list[Any], folder: str) -> Say | Call:
    path = f"{folder}/src/styles/global.css" if request.kind == "colour" else f"{folder}/src/pages/{request.page}.astro"
    if not done:
        return Call("Read", {"file_path": path})
    if len(done) == 1:
        before = without_line_numbers(done[0][1] or "")
        after = apply(request, before)
        if after == before:
            return Say("There is nothing to change.")
        return Call("Write", {"file_path": path, "content": after})
    return Say(_summary(request))


def apply(request: Request, text: str) -> str:
    """A file's text with the request done to it."""
    match request.kind:
        case "heading":
            return insert(text, f"<h2>{escape(request.text or fresh_heading(text))}</h2>")
        case "paragraph":
            return insert(text, f"<p>{escape(request.text)}</p>")
        case "title":
            return retitle(text, request.text)
        case "replace":
            return text.replace(request.old, request.text)
        case "colour":
            return recolour(text, request.text)
        case "break":
            return broken(text)
        case _:
            return text


def _summary(request: Request) -> str:
    page = "homepage" if request.page == "index" else f"{request.page} page"
    return {
        "heading": f"I added a heading to the {page}.",
        "paragraph": f"I added a paragraph to the {page}.",
        "title": f"The {page} is titled “{request.text}” now.",
        "replace": f"I replaced the text on the {page}.",
        "colour": f"The accent colour is {request.text} now.",
        "break": f"I put a mistake into the {page}.",
    }.get(request.kind, "Done.")
