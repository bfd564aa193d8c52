"""A hosted language model: a service with retries, a budget, and a cache of what it answered."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Sequence

from core_jax.models import chat_config
from core_jax.models.base import Reply, Schema
from core_jax.models.chat_config import ChatConfig
from core_jax.models.failures import REDIRECTS, AccessError, ChatError, RequestFailed, shown
from core_jax.models.ledger import UsageLedger
from core_jax.models.reply_cache import Ask, Kept
from core_jax.models.retry import RetryPolicy, with_retries
from core_jax.models.service import Sample, Service, ServiceAnswer
from core_jax.models.text import replace_surrogates
from core_jax.prompts.message import Message

# What to check after a failure that all other requests will meet, too.
ADDRESS = "--chat.name and --chat.base-url"
HOPELESS = {
    401: "the key",
    402: "the account's credit",
    403: "the key",
    404: ADDRESS,
    405: ADDRESS,
    410: ADDRESS,
} | dict.fromkeys(REDIRECTS, "--chat.base-url")
# Statuses of services that support one sample per request only (Gemini 3), or no schemas.
UNABLE = {400, 422}


class HostedModel:
    """Implements `ChatModel` by a service; several threads may ask at once."""

    def __init__(
        self, service: Service, chat: ChatConfig, ledger: UsageLedger, policy: RetryPolicy
    ):
        self.name = f"{service.provider} {service.model}"
        self._service, self._chat, self._ledger = service, chat, ledger
        self._prices = chat_config.price_of(service.model, chat)
        self._stopped = threading.Event()
        if policy.sleep is None:
            policy = dataclasses.replace(policy, sleep=self._stopped.wait)
        self._policy = policy
        self._several = self._binds = True  # until the service has shown that it cannot

    def __repr__(self) -> str:
        return f"HostedModel({self.name})"

    def spent(self) -> tuple[int, float]:
        """Tokens and USD of every answer in this run's folder, whichever process asked."""
        return self._ledger.spent()

    def complete(
        self, messages: Sequence[Message], n: int, attempt: int = 0, schema: Schema | None = None
    ) -> list[Reply]:
        """`n` replies in the order of their samples. One that was refused, is empty or got lost
        has no text and a `problem`. Only what is asked now costs anything; of equal questions from
        several threads one is asked, and the others share its replies.

        Raises:
            BudgetError: the next request could cost more than is left.
            AccessError: no request will be answered.
            ChatError: not one answer came.
        """
        ask = self._question(messages, attempt, schema)
        replies: dict[int, Reply] = {}

        def request() -> None:
            replies.update(self._complete(ask, messages, n, schema))

        while not replies:
            kept = [self._ledger.cache.find(ask, i) for i in range(n)]
            if None not in kept:
                return [_reply(k, paid=True) for k in kept if k is not None]
            self._ledger.flights.run(ask.key(-1), request)
        return [replies[i] for i in range(n)]

    def stop(self) -> None:
        """Stops sending requests; those under way are let finish."""
        self._stopped.set()

    def close(self) -> None:
        """Closes the ledger."""
        self._ledger.close()

    def _complete(
        self, ask: Ask, messages: Sequence[Message], n: int, schema: Schema | None
    ) -> dict[int, Reply]:
        """Replies by their index: those in the cache, and what is missing from the service."""
        cache = self._ledger.cache
        found = {i: kept for i in range(n) if (kept := cache.find(ask, i)) is not None}
        replies = {i: _reply(kept, paid=True) for i, kept in found.items()}
        missing, failed = [i for i in range(n) if i not in found], {}
        bound = schema if self._binds else None
        while missing:
            batch = self._affordable(messages, missing, bound) if self._several else missing[:1]
            try:
                samples = self._request(ask, batch, messages, bound)
            except RequestFailed as failure:
                if failure.status in HOPELESS:
                    raise AccessError(self._hopeless(failure)) from None
                if failure.status in UNABLE and len(batch) > 1:
                    self._several = False
                    continue
                if failure.status in UNABLE and bound is not None:
                    bound = None
                    continue
                failed |= {i: f"no answer: {failure}" for i in batch}
                missing = missing[len(batch) :]
                continue
            if bound is None and schema is not None:
                self._binds = False  # what was refused before, or for another thread
            replies |= {kept.sample: _reply(kept) for kept in samples}
            missing = [i for i in missing if i not in replies]
        if failed and not replies:
            why = "; ".join(dict.fromkeys(failed.values()))
            raise ChatError(
                f"{self.name} gave none of {n} replies: {why}. --resume goes on from the last "
                "checkpoint once the service answers again"
            )
        if failed:
            cache.keep(ask, [Kept(i, "lost", "", why) for i, why in failed.items()])
        return replies | {i: Reply("", problem=why, status="lost") for i, why in failed.items()}

    def _question(self, messages: Sequence[Message], attempt: int, schema: Schema | None) -> Ask:
        chat, turns = self._chat, tuple(m.record() for m in messages)
        settings = (chat.base_url, chat.temperature, chat.max_output_tokens)
        if schema is not None:
            settings += (schema,)
        return Ask(self._service.provider, self._service.model, turns, settings, attempt)

    def _request(
        self, ask: Ask, batch: list[int], messages: Sequence[Message], schema: Schema | None
    ) -> list[Kept]:
        """One request and its repetitions, each within the budget; the answer is kept."""
        _, _, most = self._most(messages, len(batch), schema)

        def once() -> list[Kept]:
            with self._ledger.budget.reserve(most):
                if self._stopped.is_set() or self._ledger.stopped.is_set():
                    raise RequestFailed("the run has stopped sending requests")
                try:
                    answer = self._service.ask(messages, len(batch), schema)
                except RequestFailed as failure:
                    if failure.billed:
                        self._ledger.cache.risk(str(failure), most)
                    then = "asked again" if failure.passing else ""
                    self._ledger.troubles.report(self.name, str(failure), then)
                    raise
                return self._keep(ask, batch, messages, schema, answer)

        return with_retries(once, self._policy)

    def _affordable(
        self, messages: Sequence[Message], missing: list[int], schema: Schema | None
    ) -> list[int]:
        """As many of the missing samples as the budget allows in one request; at least one."""
        left, size = self._ledger.budget.left(), len(missing)
        while size > 1 and self._most(messages, size, schema)[2] > left:
            size -= 1
        return missing[:size]

    def _keep(
        self,
        ask: Ask,
        batch: list[int],
        messages: Sequence[Message],
        schema: Schema | None,
        answer: ServiceAnswer,
    ) -> list[Kept]:
        kept = [
            self._kept(i, sample)
            for i, sample in zip(batch, answer.samples, strict=False)  # Ollama returns one of n
        ]
        tokens_in, tokens_out, reason = answer.tokens_in, answer.tokens_out, kept[0].reason
        if tokens_in is None or tokens_out is None:
            tokens_in, tokens_out, _ = self._most(messages, len(batch), schema)
            uncounted = "the service did not count its tokens: the most it can be is booked"
            reason = f"{reason}; {uncounted}" if reason else uncounted
            self._ledger.troubles.report(self.name, uncounted)
        cost = chat_config.cost(self._prices, tokens_in, tokens_out)
        kept[0] = kept[0]._replace(
            reason=reason, tokens_in=tokens_in, tokens_out=tokens_out, cost_usd=cost
        )
        self._ledger.cache.keep(ask, kept)
        return kept

    def _kept(self, index: int, sample: Sample) -> Kept:
        key, text = self._service.key, replace_surrogates(sample.text)
        if key.appears_in(text):  # left out, for a reply with a piece replaced is another reply
            sample = Sample("", "malformed", f"the reply repeats the key in {key.variable}")
            text = ""
        reason = shown(sample.reason, key)
        if sample.status != "ok":
            self._ledger.troubles.report(self.name, reason)
        return Kept(index, sample.status, text, reason)

    def _most(
        self, messages: Sequence[Message], n: int, schema: Schema | None
    ) -> tuple[int, int, float]:
        """Upper bounds of a request's input tokens, output tokens and USD."""
        tokens_in = chat_config.most_tokens_in(self._service.provider, messages)
        if schema is not None:
            tokens_in += len(json.dumps(schema))  # some services put it into the prompt
        tokens_out = n * self._chat.max_output_tokens
        return tokens_in, tokens_out, chat_config.cost(self._prices, tokens_in, tokens_out)

    def _hopeless(self, failure: RequestFailed) -> str:
        what = HOPELESS[failure.status or 404]
        return f"{self.name} does not answer: {failure}. Check {what}, then continue with --resume"


def _reply(kept: Kept, paid: bool = False) -> Reply:
    """A kept sample as a reply; one that was paid for before costs nothing now."""
    tokens_in, tokens_out, cost = (
        (0, 0, 0.0) if paid else (kept.tokens_in, kept.tokens_out, kept.cost_usd)
    )
    return Reply(kept.text, tokens_in, tokens_out, cost, kept.reason, kept.status)
