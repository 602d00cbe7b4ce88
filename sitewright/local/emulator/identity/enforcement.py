"""Puts the missing part of IAM into MiniStack.

With AUTH, MiniStack checks the signature of each request, and asks the caller's policies and the resource's. It does
not ask when a service calls another one: Step Functions with a state machine's role, an event source mapping with its
function's role, EventBridge with a function's policy. What it leaves out of requests: see `request_rights`.
"""

import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from ministack.core import iam_evaluator as engine  # type: ignore[import-untyped]
from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region, request_scope  # type: ignore[import-untyped]
from ministack.services import ecs, eventbridge, lambda_svc, stepfunctions  # type: ignore[import-untyped]

from sitewright.local.emulator.identity import request_rights
from sitewright.local.emulator.identity.authorization import Right, Roles, covering, lets_service, role_name, trusts
from sitewright.local.emulator.identity.decision_log import DecisionLog
from sitewright.local.emulator.identity.request_rights import partition_key
from sitewright.local.emulator.identity.run_rights import Account, UnknownIntegration, rights

Json = dict[str, Any]

SERVICE_PREFIX = "service "
"""Begins the external id of AssumeRole with which the local stack's ECS asks as `ecs-tasks.amazonaws.com`."""

LAMBDA = "lambda.amazonaws.com"

_MAPPING_SECONDS = 5.0
"""How long an event source mapping's rights hold: its queue is polled many times a second."""


def install(log: DecisionLog) -> None:
    """Replaces the functions of MiniStack that decide, or that call without asking."""
    roles = Roles(log)
    _record_requests(log)
    request_rights.install()
    _ask_trust_policies_for_services()
    _ask_roles_of_state_machines(roles)
    _ask_roles_of_functions(roles)
    _ask_roles_of_event_sources(roles)
    _ask_policies_of_functions(log)


def _record_requests(log: DecisionLog) -> None:
    enforce, evaluate = engine.enforce, engine.evaluate
    asked: ContextVar[list[Any] | None] = ContextVar("asked", default=None)

    def evaluated(context: Any, policies: Any, *limits: Any) -> Any:
        result, first = evaluate(context, policies, *limits), asked.get()
        if first == []:  # the caller's own policies; those of the resource come after them
            first += [context, policies, result]
        return result

    def enforced(*arguments: Any, **options: Any) -> Any:
        token = asked.set([])
        try:
            refused = enforce(*arguments, **options)
            first = asked.get()
        finally:
            asked.reset(token)
        if first and first[0].principal_type == "AssumedRole":
            context, policies, result = first
            role = context.principal_arn.split("/")[1]
            if refused:
                log.refused(role, context.action, context.resource_arn)
            elif result.decision == "Allow":
                log.allowed(role, context.action, covering(policies, context))
        return refused

    engine.evaluate, engine.enforce = evaluated, enforced


def _ask_trust_policies_for_services() -> None:
    evaluate = engine.evaluate_trust_policy

    def trusted(policy: Any, caller: str, context: Any = None) -> bool:
        external = (context.service_context.get("sts:externalid") or "") if context else ""
        if caller.endswith(":root") and external.startswith(SERVICE_PREFIX):
            _, service, source = external.split(" ")
            return trusts(policy, service, source)
        return bool(evaluate(policy, caller, context))

    engine.evaluate_trust_policy = trusted


def _ask_roles_of_state_machines(roles: Roles) -> None:
    evaluate = stepfunctions._apply_jsonata_arguments
    account = Account(_arn_prefix, _task_definition, partition_key)

    def arguments(state: Json, given: Any, ctx: Json | None = None) -> Any:
        effective = evaluate(state, given, ctx)
        if ctx is not None and state.get("Type") == "Task":
            machine = ctx["StateMachine"]["Id"]
            role = stepfunctions._state_machines[machine]["roleArn"]
            try:
                needed = rights(state["Resource"], effective, account)
            except UnknownIntegration as error:
                raise stepfunctions._ExecutionError("States.Runtime", str(error)) from error
            for right in needed:
                if not roles.may(role, "states.amazonaws.com", right, source=machine):
                    cause = f"{role} is not authorized to perform: {right.action} on resource: {right.resource}"
                    raise stepfunctions._ExecutionError("States.TaskFailed", cause)
        return effective

    stepfunctions._apply_jsonata_arguments = arguments


def _arn_prefix(service: str) -> str:
    return f"arn:aws:{service}:{get_region()}:{get_account_id()}:"


def _task_definition(family: str) -> Json:
    found: Json = ecs._task_defs[ecs._resolve_td_key(family)]
    return found


def _ask_roles_of_functions(roles: Roles) -> None:
    credentials, fail = lambda_runtime.execution_credentials, lambda_svc._route_async_failure

    def may(config: Json, action: str, resource: str) -> bool:
        return roles.may(config["Role"], LAMBDA, Right(action, resource), source=config["FunctionArn"])

    def started(config: Json) -> Any:
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            # On AWS a function without them runs, and its log is lost.
            may(config, action, _arn_prefix("logs") + f"log-group:{group}:log-stream:any")
        return credentials(config)

    def failed(destination: str, function: str, event: Json, result: Json) -> None:
        if may(lambda_svc._functions[function]["config"], "sqs:SendMessage", destination):
            fail(destination, function, event, result)

    lambda_runtime.execution_credentials = lambda_svc.execution_credentials = started
    lambda_svc._route_async_failure = failed


def _ask_roles_of_event_sources(roles: Roles) -> None:
    mappings, known = lambda_svc._iter_all_esms, dict[str, tuple[float, bool]]()

    def may_receive(mapping: Json) -> bool:
        function, queue = lambda_svc._functions.get(mapping["FunctionName"]), mapping["EventSourceArn"]
        if function is None:
            return True
        role, source = function["config"]["Role"], function["config"]["FunctionArn"]
        actions = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
        asked = [roles.may(role, LAMBDA, Right(action, queue), source=source) for action in actions]
        return all(asked)

    def allowed() -> Iterator[tuple[str, str, Json]]:
        for account, region, mapping in mappings():
            until, may = known.get(mapping["UUID"], (0.0, False))
            if time.monotonic() > until:
                with request_scope(account, region):
                    may = ":sqs:" not in mapping["EventSourceArn"] or may_receive(mapping)
                known[mapping["UUID"]] = (time.monotonic() + _MAPPING_SECONDS, may)
            if may:
                yield account, region, mapping

    lambda_svc._iter_all_esms = allowed


def _ask_policies_of_functions(log: DecisionLog) -> None:
    invoke, dispatch = eventbridge._invoke_target, eventbridge._dispatch_to_lambda
    current: ContextVar[str] = ContextVar("rule", default="")

    def invoked(target: Json, event: Json, rule: Json, view: Any = None) -> None:
        token = current.set(rule.get("Arn", ""))
        try:
            invoke(target, event, rule, view)
        finally:
            current.reset(token)

    def dispatched(arn: str, payload: str) -> None:
        policy, service = lambda_svc.function_policy_for_arn(arn), "events.amazonaws.com"
        if policy and not lets_service(policy[0], "lambda:InvokeFunction", arn, service, current.get()):
            log.refused(service, "lambda:InvokeFunction", role_name(arn))
            return
        dispatch(arn, payload)

    eventbridge._invoke_target, eventbridge._dispatch_to_lambda = invoked, dispatched
