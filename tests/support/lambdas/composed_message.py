"""A commit message composed by the Lambda, with fixed ids and a fixed time."""

from lambdas.commit_message.compose import compose

AT = 1_760_000_000_000  # 2025-10-09 UTC


def make(instruction: str, summary: str = "Did it.", files: list[str] | None = None) -> str:
    names = files if files is not None else ["src/pages/index.astro"]
    return compose(
        instruction=instruction,
        summary=summary,
        files=names,
        files_count=len(names),
        session_id="s-1",
        command_id="c-1",
        accepted_at=AT,
    )
