"""The step `agent`: Claude Code carries the instruction out in the checkout."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

import contracts
import workspace
from contracts.errors import ErrorCode
from contracts.steps import AgentResult
from workspace.claude.protocol import Event, Request, parse
from workspace.claude.transcript import prepare_resume
from workspace.context import StepContext
from workspace.environment import agent_environment
from workspace.errors import StepFailed

MAX_RETRIES = 4
"""Of Claude Code for a request the model API refuses for now (its own default of 10 backs off for minutes)."""

_SUMMARY_CHARACTERS = 4_000

# -P: the working folder is the client's repository, whose modules must not be taken for ours.
_ARGV = (sys.executable, "-P", "-m", "workspace.claude")

_REJECTED_ERRORS = {"authentication_failed", "billing_error", "invalid_request"}
_UNAVAILABLE_ERRORS = {"rate_limit", "server_error"}
_UNREACHABLE = ("unable to connect", "connection error", "connection refused", "timed out", "socket", "econn")


def run(ctx: StepContext) -> AgentResult:
    """Has the command's instruction carried out.

    Raises StepFailed (AGENT_FAILED, AGENT_TIMED_OUT, TURNS_EXCEEDED, BUDGET_EXCEEDED, MODEL_UNAVAILABLE,
    MODEL_REJECTED), StepStopped, Fenced.
    """
    began = time.monotonic()
    ctx.fence.verify()
    base = ctx.checkout.head()
    event = _Agent(ctx, began).final()
    failed = failure(event)
    if failed is not None:
        raise failed
    changed = ctx.checkout.changed_files(base)
    return AgentResult(
        files_changed=changed,
        files_changed_count=len(changed),
        summary=event.text[:_SUMMARY_CHARACTERS],
        conversation_id=event.conversation_id,
        cost_usd=event.cost_usd,
        turns=event.turns,
        seconds=round(time.monotonic() - began, 3),
    )


def failure(event: Event) -> StepFailed | None:
    """What a final event means for the step; None for success. Pure."""
    message = event.text or "Claude Code ended without saying why."
    if event.subtype == "error_max_turns":
        return StepFailed(ErrorCode.TURNS_EXCEEDED, f"The agent used all of its turns ({event.turns}).")
    if event.subtype == "error_max_budget_usd":
        return StepFailed(
            ErrorCode.BUDGET_EXCEEDED, f"The agent used its whole budget ({event.cost_usd or 0:.2f} USD)."
        )
    if event.sitewright_agent == "result" and not event.is_error and event.subtype == "success":
        return None
    return StepFailed(_code(event), message)


def _code(event: Event) -> ErrorCode:
    status = event.api_status
    if status is not None:
        if status in {408, 409, 425, 429} or status >= 500:
            return ErrorCode.MODEL_UNAVAILABLE
        if status >= 400:
            return ErrorCode.MODEL_REJECTED
    if event.api_error in _REJECTED_ERRORS:
        return ErrorCode.MODEL_REJECTED
    lower = event.text.lower()
    if event.api_error in _UNAVAILABLE_ERRORS or (
        event.sitewright_agent == "result" and any(word in lower for word in _UNREACHABLE)
    ):
        return ErrorCode.MODEL_UNAVAILABLE
    return ErrorCode.AGENT_FAILED


@dataclass
class _Agent:
    ctx: StepContext
    began: float
    event: Event | None = field(default=None)

    def final(self) -> Event:
        """The driver's final event, of a fresh conversation if the old one cannot be resumed."""
        ctx = self.ctx
        wanted = ctx.session.conversation_id
        resume = prepare_resume(ctx.paths.home, ctx.paths.site, wanted)
        if wanted and resume is None:
            self._anew(wanted, "its transcript is gone")
        event = self._drive(resume)
        cannot = resume is not None and not event.spoke and _code(event) is ErrorCode.AGENT_FAILED
        if cannot and failure(event) is not None:
            self._anew(resume, event.text)
            event = self._drive(None)
        return event

    def _anew(self, conversation_id: str | None, why: str) -> None:
        self.ctx.log(
            "the conversation cannot be resumed", level="warning", conversation=conversation_id, reason=why[:500]
        )
        self.ctx.progress("Starting a new conversation: the earlier one cannot be resumed")

    def _drive(self, resume: str | None) -> Event:
        ctx, settings = self.ctx, self.ctx.settings
        ctx.progress("Claude Code is at work")
        self.event = None
        request = Request(
            prompt=_prompt(ctx.command.instruction or ""),
            model=settings.model,
            resume=resume,
            max_turns=settings.max_turns,
            max_budget_usd=settings.max_budget_usd,
        )
        try:
            done = ctx.children.run(
                _ARGV,
                cwd=ctx.paths.site,
                env=self._environment(),
                timeout=max(settings.agent_timeout_seconds - (time.monotonic() - self.began), 1.0),
                stdin=request.to_json(),
                on_line=self._on_line,
                log_lines=False,
            )
        except TimeoutError as error:
            message = f"The agent did not end within {settings.agent_timeout_seconds} s."
            raise StepFailed(ErrorCode.AGENT_TIMED_OUT, message) from error
        if self.event is None:
            text = f"Claude Code exited with {done.returncode} and no result: {done.tail.strip()[-1500:]}"
            return Event(sitewright_agent="error", text=text)
        return self.event

    def _on_line(self, line: str) -> None:
        event = parse(line)
        if event is None:
            self.ctx.log("output", program="claude", line=line)
        elif event.sitewright_agent == "tool":
            self.ctx.progress(event.text)
        elif event.sitewright_agent == "text":
            self.ctx.log("agent", text=event.text)
        else:
            self.event = event

    def _environment(self) -> dict[str, str]:
        ctx, settings = self.ctx, self.ctx.settings
        try:
            key = ctx.aws.secret(settings.model_key_secret)
        except (ClientError, BotoCoreError) as error:
            message = f"The model key cannot be read from {settings.model_key_secret}: {error}"
            raise StepFailed(ErrorCode.MODEL_REJECTED, message) from error
        return agent_environment(
            ctx.paths,
            inherited=settings.inherited,
            api_key=key,
            base_url=settings.model_base_url,
            as_root=settings.as_root,
            extra={"CLAUDE_CODE_MAX_RETRIES": str(MAX_RETRIES), "PYTHONPATH": _python_path()},
        )


def _prompt(instruction: str) -> str:
    # A line of ours in front: an instruction that begins with a slash would be taken for one of the CLI's commands.
    return f"The client's instruction for this website:\n\n{instruction}"


def _python_path() -> str:
    folders = [str(Path(package.__path__[0]).resolve().parent) for package in (workspace, contracts)]
    return ":".join(dict.fromkeys(folders))
