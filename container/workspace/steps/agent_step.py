"""The step `agent`: Claude Code carries out the instruction in the checkout."""

import time
from dataclasses import dataclass, field

from sitewright.contracts.commit_trailers import session_trailer
from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.secrets.secret_shapes import masked
from sitewright.contracts.steps import AgentResult
from workspace.agent.budget import CommandBudget
from workspace.agent.driver_command import driver_program
from workspace.agent.driver_messages import DriverEvent, DriverRequest, parse
from workspace.agent.final_event import OVER_BUDGET, cannot_resume, code_of, failure
from workspace.agent.model_access import ModelAccess
from workspace.agent.model_proxy.ledger import Ledger
from workspace.agent.model_proxy.proxy import ModelProxy
from workspace.agent.prompt.conversation_summary import recall
from workspace.agent.prompt.instructions import instructions
from workspace.agent.prompt.repository_rules import read_rules
from workspace.agent.prompt.unfinished_wishes import LEFT_OUT, prompt
from workspace.agent.run_watch import RunWatch
from workspace.agent.transcript import damage, forget, prepare_resume
from workspace.build.running.build_variables import hidden_from_agent
from workspace.errors import GitError, StepFailed, StepStopped
from workspace.step_context import StepContext
from workspace.steps.conflict_resolution import resolve_at_start
from workspace.steps.ignored_work import offer_ignored
from workspace.steps.wish_takeover import take_over
from workspace.system.child_environment import agent_environment
from workspace.system.children import ChildResult

MAX_RETRIES = 6
"""How often Claude Code retries a request that the model API refuses. It waits 0.5 s, doubled each time, and so gives
up after about 40 s. Its own default of 10 retries takes minutes. A longer `retry-after` of the API makes it give up at
once."""

SUMMARY_CHARACTERS = 2_000

BEGUN_ANEW = "\n\n(The earlier conversation could not be resumed: a new one was begun with a summary of it.)"

SESSION_COMMITS = 20
"""The limit of commit messages given to a new conversation when the old transcript is lost."""

_QUIET = {
    "CLAUDE_CODE_MAX_RETRIES": str(MAX_RETRIES),
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
}
"""Nothing may outlive the run: no memory files besides the transcript, and no background command."""


def run(ctx: StepContext) -> AgentResult:
    """Lets Claude Code carry out the command's instruction.

    Raises StepFailed (AGENT_FAILED, AGENT_TIMED_OUT, TURNS_EXCEEDED, BUDGET_EXCEEDED, MODEL_UNAVAILABLE,
    MODEL_REJECTED), StepStopped, Fenced.
    """
    began = time.monotonic()
    ctx.fence.verify()
    done = ctx.command.agent
    if done is not None and len(ctx.checkout.changed_files(ctx.base)) == done.files_changed_count:
        # The step is repeated because its report got lost. Its edits are in the checkpoint, which was written
        # earlier.
        return done
    taken_over = take_over(ctx)
    task = prompt(ctx.command.instruction or "", taken_over.wishes)
    work = Agent(ctx, task, ctx.settings.agent_timeout_seconds)
    work.budget.check()
    came = resolve_at_start(ctx, work)
    base = ctx.base if ctx.taken.conflict is None else ctx.checkout.head()
    since = time.time()
    event = work.done()
    ignored = offer_ignored(ctx, work, since, event.conversation_id)
    changed = ctx.checkout.changed_files(base)
    if not changed and not event.text and not ignored:
        raise StepFailed(ErrorCode.AGENT_FAILED, "The model answered with nothing: no words, and no file was changed.")
    return AgentResult(
        files_changed=changed,
        files_changed_count=len(changed),
        summary="\n\n".join(
            part for part in (work.summary(event), came.note, ignored, LEFT_OUT if taken_over.left_out else "") if part
        ),
        conversation_id=event.conversation_id,
        cost_usd=work.budget.spent,
        turns=event.turns,
        seconds=round(time.monotonic() - began, 3),
        unresolved=came.unresolved,
    )


@dataclass
class Agent:
    """Runs Claude Code for one task, in the session's conversation."""

    ctx: StepContext
    prompt: str
    seconds: float
    """The time limit of the task, including a second start with a new conversation."""
    began: float = field(default_factory=time.monotonic)
    hidden: list[str] = field(default_factory=list, repr=False)
    """Secrets that no output may have: the model key, the tokens of the proxy, the secrets of the build."""
    event: DriverEvent | None = None
    anew: bool = False
    """An earlier conversation of the session could not be resumed."""
    watch: RunWatch = field(default_factory=RunWatch)
    started_again: bool = False
    """Claude Code said nothing at all, and was started once more."""
    conversation: str | None = None
    """The conversation to go on with; by default the session's."""
    budget: CommandBudget = field(init=False)
    access: ModelAccess = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.budget = CommandBudget.for_step(self.ctx)
        self.hidden.extend(hidden_from_agent(self.ctx))
        self.conversation = self.conversation or self.ctx.session.conversation_id

    def done(self) -> DriverEvent:
        """Runs the task and returns its final event. Raises StepFailed, StepStopped."""
        event = self.final()
        failed = failure(event)
        if failed is not None:
            raise failed
        return event

    def summary(self, event: DriverEvent) -> str:
        """Returns the summary for the client."""
        return (masked(event.text)[:SUMMARY_CHARACTERS] + (BEGUN_ANEW if self.anew else "")).strip()

    def final(self) -> DriverEvent:
        """Returns the driver's final event. Starts a new conversation if the old one cannot be resumed."""
        ctx = self.ctx
        self.access = ModelAccess.of(ctx.settings, ctx.aws)
        self.hidden.append(self.access.key)
        home, site, wanted = ctx.paths.home, ctx.paths.site, self.conversation
        resume = prepare_resume(home, site, wanted, ctx.checkout.git)
        gone = "its transcript is gone" if wanted else None
        why = damage(home, site, resume) if resume else gone
        if why is None:
            event = self._drive(resume, lost=None)
            if resume is None or not cannot_resume(event):
                return event
            why = event.text
        self._note_restart(wanted, why)
        event = self._drive(None, lost=wanted)
        if failure(event) is not None and not event.spoke:
            # The old conversation was not the cause. So the next command tries it again.
            forget(ctx.paths.home, ctx.paths.site, event.conversation_id, ctx.checkout.git)
        return event

    def _note_restart(self, conversation_id: str | None, why: str) -> None:
        self.anew = True
        self.ctx.log(
            "the conversation cannot be resumed", level="warning", conversation=conversation_id, reason=why[:500]
        )
        self.ctx.progress("Starting a new conversation: the earlier one cannot be resumed")

    def _drive(self, resume: str | None, *, lost: str | None) -> DriverEvent:
        event = self._attempt(resume, lost)
        if not self.watch.heard and not self.started_again:
            self.started_again = True
            self.ctx.log("Claude Code said nothing, it is started once more", level="warning", reason=event.text[:500])
            event = self._attempt(resume, lost)
        return event

    def _attempt(self, resume: str | None, lost: str | None) -> DriverEvent:
        ctx = self.ctx
        ctx.progress("Claude Code is at work")
        self.event, self.watch = None, RunWatch()
        ledger = Ledger(self.budget.remaining_usd, ctx.log)
        try:
            with self.budget.recorded(lambda: ledger.usd):
                done = self._run(ledger, resume, lost)
        except TimeoutError as error:
            self._log_cut_off()
            message = f"The agent did not end within {self.seconds:.0f} s."
            raise StepFailed(ErrorCode.AGENT_TIMED_OUT, message) from error
        except StepStopped:
            self._log_cut_off()
            raise
        if self.event is None or self.watch.gave_up:
            # The driver's own error tells only the signal that ended Claude Code.
            self.event = DriverEvent(sitewright_agent="error", text=self._clean(self._without_result(done)))
        # Claude Code counts the whole conversation, and not by our prices.
        self.event = self.event.model_copy(update={"cost_usd": ledger.usd})
        if ledger.refused and failure(self.event) is not None:
            self.event = self.event.model_copy(update={"subtype": OVER_BUDGET})
        elif ledger.key_refusal and code_of(self.event) is ErrorCode.MODEL_REJECTED:
            self.event = self.event.model_copy(update={"text": self._clean(ledger.key_refusal)})
        return self.event

    def _without_result(self, done: ChildResult) -> str:
        """Returns the error message for a run that ended without a final event."""
        how = f"exited with {done.returncode} and no result:"
        if self.watch.gave_up:
            return f"Claude Code said nothing for {self.watch.silence:.0f} s and was ended."
        if done.cause:
            how = f"ended without a result. {done.cause}"
        return f"Claude Code {how} {done.tail.strip()[-1500:]}".strip()

    def _run(self, ledger: Ledger, resume: str | None, lost: str | None) -> ChildResult:
        ctx, program = self.ctx, driver_program(self.ctx.settings)
        proxy = ModelProxy(self.access.upstream, ledger, ctx.log)
        self.hidden.append(proxy.token)
        try:
            with proxy:
                try:
                    return ctx.children.run(
                        program.argv,
                        cwd=program.cwd,
                        env=program.env,
                        timeout=max(self.seconds - (time.monotonic() - self.began), 1.0),
                        stdin=self._request(proxy, resume, lost).to_json(),
                        on_line=self._on_line,
                        log_lines=False,
                        is_over=self.watch.is_over,
                    )
                except StepStopped:
                    ledger.close_all(stopped=True)
                    raise
        finally:
            self.budget.add(ledger.usd)
            ctx.repair_repository()

    def _request(self, proxy: ModelProxy, resume: str | None, lost: str | None) -> DriverRequest:
        ctx, settings = self.ctx, self.ctx.settings
        return DriverRequest(
            prompt=self.prompt,
            instructions=instructions(
                settings,
                rules=read_rules(ctx.paths.site, ctx.checkout.git, ctx.log),
                anew=lost is not None,
                recalled=self._recalled(lost),
                changed_since=ctx.others_changed and resume is not None,
            ),
            model=settings.model,
            resume=resume,
            max_turns=settings.max_turns,
            max_budget_usd=self.budget.remaining_usd,
            cwd=str(ctx.paths.site),
            environment=agent_environment(
                ctx.paths,
                inherited=settings.inherited,
                model=self.access.variables(proxy.url, proxy.token),
                as_root=settings.as_root,
                author=ctx.author,
                extra=_QUIET,
            ),
        )

    def _recalled(self, lost: str | None) -> str:
        if lost is None:
            return ""
        trailer = session_trailer(self.ctx.request.session_id)
        try:
            log = self.ctx.checkout.run(
                "log", f"--max-count={SESSION_COMMITS}", "--format=%B%x00", "--fixed-strings", f"--grep={trailer}"
            )
        except GitError:
            log = ""  # no commit yet
        return recall(self.ctx.paths.home, lost, [message for message in log.split("\0") if message.strip()])

    def _on_line(self, line: str) -> None:
        line = self._clean(line)
        event = parse(line)
        if event is None:
            self.ctx.log("output", program="claude", line=line)
            return
        self.watch.note(event)
        if event.sitewright_agent == "start":
            return
        if event.final:
            # The first one counts: what is said while the program is being ended is no result.
            self.event = self.event or event
        elif event.sitewright_agent == "text":
            self.ctx.log("agent", text=event.text)
        else:
            self.ctx.progress(event.text)

    def _clean(self, line: str) -> str:
        # The agent can read its own environment, and its output reaches the log and the client.
        for secret in self.hidden:
            line = line.replace(secret, "***") if len(secret) >= 6 else line
        return line

    def _log_cut_off(self) -> None:
        self.ctx.log(
            "Claude Code was stopped",
            conversation=self.event.conversation_id if self.event else None,
            costUsd=self.budget.spent,
            turns=self.event.turns if self.event else None,
        )
