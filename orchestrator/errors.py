"""Every error this library raises.

    OrchestratorError
    ├── ConfigError               the file or mapping is wrong; says where
    ├── InvalidRequest            no deployment would take this request as it is
    │   ├── ContextTooLong        more tokens than the model's context
    │   ├── UnsupportedFeature    the model or the wire cannot do what was asked
    │   └── ContentFiltered       refused by a content filter
    ├── AuthenticationFailed      credential missing, wrong or without permission
    ├── BudgetExceeded            a budget of the configuration has no room for the call
    ├── QuotaExhausted            out of credit or over a spend limit: waiting does not help
    ├── RateLimited               requests or tokens per time, the vendor's or our own limit
    ├── Overloaded                the vendor has no capacity at the moment
    ├── ServerError               the vendor failed
    ├── ConnectionFailed          resolve, connect, TLS or reset
    ├── CallTimeout               kind: connect, first_token, stall or deadline
    ├── MalformedReply            an answer that is not one
    ├── LogUnavailable            no call is made while its line cannot be written (log: required)
    ├── StreamInterrupted         a stream broke after its first event was handed over
    └── AllDeploymentsFailed      several deployments failed in different ways (causes)

A vendor SDK's or HTTP library's exception never reaches a caller, except as `__cause__`. No error holds a credential
or a prompt. All of them pickle.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

Scope = Literal["request", "deployment", "credential", "provider"]
"""What is at fault. `request`: no other deployment would do better, so none is tried."""

TimeoutKind = Literal["connect", "first_token", "stall", "deadline"]

__all__ = [
    "AllDeploymentsFailed",
    "AuthenticationFailed",
    "BudgetExceeded",
    "CallTimeout",
    "ConfigError",
    "ConnectionFailed",
    "ContentFiltered",
    "ContextTooLong",
    "InvalidRequest",
    "LogUnavailable",
    "MalformedReply",
    "OrchestratorError",
    "Overloaded",
    "QuotaExhausted",
    "RateLimited",
    "Scope",
    "ServerError",
    "StreamInterrupted",
    "TimeoutKind",
    "UnsupportedFeature",
]

_TOLD = ("provider", "deployment", "status", "vendor_code", "request_id", "retry_after")


class OrchestratorError(Exception):
    """Base of all errors here.

    Where one is `retryable`, the same call may succeed later, after `retry_after` seconds if that is known; the library
    has tried as often as the route's `retry` admits. Where it is not, something has to be changed first: the request,
    the credential, the file, the budget. `request_id` is what a vendor's support asks for.

    Attributes:
        provider, deployment: names from the configuration, None before one was chosen.
        status: the HTTP status, None where there was no answer.
        vendor_code: the vendor's own error code or type.
        request_id: the vendor's request id.
        retryable: the same deployment may succeed if asked again.
        retry_after: seconds the vendor asked to wait, None if it did not say.
        scope: what is at fault; decides whether another deployment is tried.
        maybe_billed: the request may have been processed although no answer arrived.
        attempts: records of the attempts made for the call (`orchestrator.types.Attempt`).
        seen_limits: limits that the answer's headers stated, where the deployment learns them.

    Example:
        >>> try:
        ...     llm.chat("answer", "Which plan includes SSO?")
        ... except OrchestratorError as error:
        ...     print(type(error).__name__, error.retryable, [attempt.deployment for attempt in error.attempts])
        Overloaded True ['mini']
    """

    default_retryable: ClassVar[bool] = False
    default_scope: ClassVar[Scope] = "deployment"

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        deployment: str | None = None,
        status: int | None = None,
        vendor_code: str | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        scope: Scope | None = None,
        maybe_billed: bool = False,
        attempts: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.deployment = deployment
        self.status = status
        self.vendor_code = vendor_code
        self.request_id = request_id
        self.retryable = self.default_retryable if retryable is None else retryable
        self.retry_after = retry_after
        self.scope: Scope = scope or self.default_scope
        self.maybe_billed = maybe_billed
        self.attempts = attempts
        self.seen_limits: tuple[Any, ...] = ()

    def __str__(self) -> str:
        where = [
            f"{name}={value}"
            for name, value in (
                ("provider", self.provider),
                ("deployment", self.deployment),
                ("status", self.status),
                ("code", self.vendor_code),
                ("request_id", self.request_id),
                ("retry_after", None if self.retry_after is None else f"{round(self.retry_after, 1):g}"),
                ("attempts", len(self.attempts) if len(self.attempts) > 1 else None),
            )
            if value is not None
        ]
        return f"{self.message} ({', '.join(where)})" if where else self.message

    def __repr__(self) -> str:
        told = [f"{name}={getattr(self, name)!r}" for name in _TOLD if getattr(self, name) is not None]
        tried = [f"attempts={len(self.attempts)}"] if self.attempts else []
        return f"{type(self).__name__}({', '.join([repr(self.message), *told, *tried])})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.__dict__)


def _rebuild(cls: type[OrchestratorError], message: str, state: dict[str, Any]) -> OrchestratorError:
    error = cls.__new__(cls)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return error


class ConfigError(OrchestratorError):
    """The configuration is wrong, or a secret or a package that it needs is missing.

    Raised when a client is built and by `reload`, never by a call. `file`, `line` (from 1) and `key` say where, as far
    as they are known. What to do stands in the message; `orchestrator check FILE` shows each mistake with its line.

    `files` are all files that were read or sought: the mistake may be mended in any of them. `problems` are the
    mistakes one by one, with their places (`orchestrator.config.tree.Problem`); empty where there is but the message.

    Example:
        >>> try:
        ...     Orchestrator({"version": 1, "routes": {"answer": "openai/gpt-4o"}, "retyr": {"attempts": 2}})
        ... except ConfigError as error:
        ...     print(error)
        retyr: unknown key 'retyr'; did you mean 'retry'?
    """

    default_scope: ClassVar[Scope] = "request"

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        key: str | None = None,
        files: tuple[str, ...] = (),
        **kw: Any,
    ) -> None:
        super().__init__(message, **kw)
        self.file = file
        self.line = line
        self.key = key
        self.files = files
        self.problems: tuple[Any, ...] = ()

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        lead = ": ".join(part for part in (place, self.key) if part)
        return f"{lead}: {self.message}" if lead else self.message


class InvalidRequest(OrchestratorError):
    """The request itself is at fault, by our own check (nothing was sent) or by the vendor's.

    Change the call: the message names the argument, or says what the vendor said. No other deployment is tried.
    """

    default_scope: ClassVar[Scope] = "request"


class ContextTooLong(InvalidRequest):
    """The input (or input plus output cap) exceeds the model's context. A model with more of it may take it.

    Shorten the history, lower `max_output_tokens`, or put a model with more context behind it in the route's `then`.
    """

    default_scope: ClassVar[Scope] = "deployment"


class UnsupportedFeature(InvalidRequest):
    """The picked model or wire lacks a feature the request needs. Raised before anything is sent.

    Leave the feature away, or pick another model: `require` of a route has the file checked for it. Where the book of
    models is wrong, the deployment's `profile` says what is right.
    """

    default_scope: ClassVar[Scope] = "deployment"


class ContentFiltered(InvalidRequest):
    """A content filter refused the input or the output.

    Asked again, it will be refused again: tell the user, or change the request.
    """


class AuthenticationFailed(OrchestratorError):
    """The vendor refused the credential: it is wrong, expired, or not permitted to use this model.

    Look at the provider's `api_key` in the file and the variable or file it names. A secret in a file is read again
    when it changes; one in a variable needs a new process.
    """

    default_scope: ClassVar[Scope] = "credential"


class BudgetExceeded(OrchestratorError):
    """A budget of the configuration has no room for the most that the call can cost. Nothing was sent.

    `budget` is its name; `resets_at` the Unix time at which its window ends. `retry_after` may be sooner: attempts
    under way hold the most they can cost, and give back what they did not use. It is None where the call would not fit
    into an unspent budget either.

    Example:
        >>> try:
        ...     llm.chat("answer", "Which plan includes SSO?", tenant="acme")
        ... except BudgetExceeded as error:
        ...     print(error.budget)
        tenant-day
    """

    def __init__(self, message: str, *, budget: str = "", resets_at: float | None = None, **kw: Any) -> None:
        super().__init__(message, **kw)
        self.budget = budget
        self.resets_at = resets_at


class QuotaExhausted(OrchestratorError):
    """The account is out of credit or over a spend limit; waiting for a rate window does not help.

    Pay the vendor, raise the limit in its console, or let the route's `then` name another vendor.
    """

    default_scope: ClassVar[Scope] = "credential"


class RateLimited(OrchestratorError):
    """Too many requests or tokens for the window, by the vendor's limiter or our own.

    The call has waited as long as its deadline admits. Come back after `retry_after` seconds, ask less at a time
    (`limits` of the provider or deployment keep below the vendor's), or add deployments to the route.

    Example:
        >>> try:
        ...     llm.chat("answer", "Which plan includes SSO?")
        ... except RateLimited as error:
        ...     print(f"come back in {error.retry_after:g} s")
        come back in 20 s
    """

    default_retryable = True


class Overloaded(OrchestratorError):
    """The vendor has no capacity at the moment, or this deployment's breaker is open because it failed of late.

    Come back later, or let the route's `then` name another vendor.
    """

    default_retryable = True


class ServerError(OrchestratorError):
    """The vendor failed to process the request (a 5xx).

    It has been tried again and elsewhere as far as the route admits. Come back later; give `request_id` to its support.
    """

    default_retryable = True


class ConnectionFailed(OrchestratorError):
    """No connection, or it broke before an answer was complete. `maybe_billed` tells the two apart.

    Look at the provider's `base_url`, `proxy` and `ca_file`, and whether something answers there:
    `orchestrator check FILE --live`.
    """

    default_retryable = True


class CallTimeout(OrchestratorError):
    """Time ran out. `kind` says which: connect, first_token, stall, or the call's own deadline.

    A deadline is the call's `deadline=` or the route's, over queueing, waits and all attempts: give more, or ask less.
    The others are under `timeouts` in the file.

    Example:
        >>> try:
        ...     llm.chat("answer", "Which plan includes SSO?", deadline=5)
        ... except CallTimeout as error:
        ...     print(error.kind)
        first_token
    """

    default_retryable = True

    def __init__(self, message: str, *, kind: TimeoutKind, **kw: Any) -> None:
        if kind == "deadline":
            kw.setdefault("retryable", False)
            kw.setdefault("scope", "request")
        super().__init__(message, **kw)
        self.kind: TimeoutKind = kind


class MalformedReply(OrchestratorError):
    """An answer that is not one: not JSON, truncated, without choices, too large, without a terminal signal.

    Also one that does not fit `output=`: a stronger model, a plainer schema, or `repair: true` on the route help. Where
    every answer is one, `base_url` may lead to something else than the kind says.
    """

    default_retryable = True


class LogUnavailable(OrchestratorError):
    """The call log cannot be written and `log: {required: true}` wants no call without its line. Nothing was sent.

    Calls are taken again as soon as the log can be written.
    """

    default_retryable = True
    default_scope: ClassVar[Scope] = "request"


class StreamInterrupted(OrchestratorError):
    """A stream broke after its first event was handed over, so it cannot start again elsewhere.

    What came is in `text` and has been paid for. Show it, or throw it away and call again.

    Attributes:
        text: the answer text that had arrived.
        usage: usage known so far (`orchestrator.types.Usage`), the vendor's or an estimate, or None.
        reply: the partial reply, without any half-arrived tool call (`orchestrator.types.ChatReply`), or None.
        cause: what broke it: `CallTimeout`, `ConnectionFailed`, the vendor's own error.

    Example:
        >>> try:
        ...     with llm.stream("answer", "Which plan includes SSO?") as stream:
        ...         events = list(stream)
        ... except StreamInterrupted as error:
        ...     print(f"so far: {error.text}")
        so far: The Team
    """

    def __init__(
        self,
        message: str,
        *,
        text: str = "",
        usage: Any = None,
        reply: Any = None,
        cause: OrchestratorError | None = None,
        **kw: Any,
    ) -> None:
        super().__init__(message, **kw)
        self.text = text
        self.usage = usage
        self.reply = reply
        self.cause = cause


class AllDeploymentsFailed(OrchestratorError):
    """Every deployment of the route failed, in different ways. `causes` holds one error per attempt, in order.

    Where all failed in one way, that error is raised instead. `retryable` if any of the causes is.

    Example:
        >>> try:
        ...     llm.chat("answer", "Which plan includes SSO?")
        ... except AllDeploymentsFailed as error:
        ...     print([type(cause).__name__ for cause in error.causes])
        ['Overloaded', 'RateLimited']
    """

    def __init__(self, message: str, *, causes: tuple[OrchestratorError, ...] = (), **kw: Any) -> None:
        super().__init__(message, **kw)
        self.causes = causes
