"""A hosted language model: a service, asked with patience, on a budget, never twice the same."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Sequence

from core_jax.models import chat_config
from core_jax.models.base import Reply, Schema
from core_jax.models.budget import Budget
from core_jax.models.chat_config import ChatConfig
from core_jax.models.failures import AccessError, ChatError, RequestFailed
from core_jax.models.reply_cache import Ask, Kept, ReplyCache
from core_jax.models.retry import Patience, with_patience
from core_jax.models.service import Service, ServiceAnswer
from core_jax.prompts.message import Message

# A wrong key, a wrong model or address: whatever else is asked, the answer will be the same.
HOPELESS = {401, 403, 404}
# How a service says that it gives one sample a request only (Gemini 3 does), or knows no schemas.
UNABLE = {400, 422}


class HostedModel:
    """Implements `ChatModel` by a service; several threads may ask at once."""

    def __init__(
        self,
        service: Service,
        cache: ReplyCache,
        chat: ChatConfig,
        budget: Budget,
        patience: Patience,
    ):
        self.name = f"{service.provider} {service.model}"
        self._service, self._cache, self._chat = service, cache, chat
        self._prices = chat_config.price_of(service.model, chat)
        self._budget, self._stopped = budget, threading.Event()
        if patience.sleep is None:
            patience = dataclasses.replace(patience, sleep=self._stopped.wait)
        self._patience = patience
        self._several = self._binds = True  # until the service has shown that it cannot

    def __repr__(self) -> str:
        return f"HostedModel({self.name})"

    def spent(self) -> tuple[int, float]:
        """Tokens and USD of every answer in this run's folder, whichever process asked."""
        return self._cache.totals()

    def complete(
        self, messages: Sequence[Message], n: int, attempt: int = 0, schema: Schema | None = None
    ) -> list[Reply]:
        """`n` replies in the order of their samples. One that was refused, is empty or got lost
        has no text and a `problem`. Only what is asked now costs anything.

        Raises:
            BudgetError: the next request could cost more than is left.
            AccessError: none of these requests will ever be answered.
            ChatError: not one answer came.
        """
        ask = self._question(messages, attempt, schema)
        found = {i: kept for i in range(n) if (kept := self._cache.find(ask, i)) is not None}
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
            self._cache.keep(ask, [Kept(i, "lost", "", why) for i, why in failed.items()])
        replies |= {i: Reply("", problem=why, status="lost") for i, why in failed.items()}
        return [replies[i] for i in range(n)]

    def stop(self) -> None:
        """Sends nothing more; what is under way is let finish."""
        self._stopped.set()

    def close(self) -> None:
        """Closes the cache."""
        self._cache.close()

    def _question(self, messages: Sequence[Message], attempt: int, schema: Schema | None) -> Ask:
        chat, turns = self._chat, tuple(m.record() for m in messages)
        settings = (chat.base_url, chat.temperature, chat.max_output_tokens)
        if schema is not None:
            settings += (schema,)
        return Ask(self._service.provider, self._service.model, turns, settings, attempt)

    def _request(
        self, ask: Ask, batch: list[int], messages: Sequence[Message], schema: Schema | None
    ) -> list[Kept]:
        """One request and its repetitions, each within the budget; what it brought is kept."""
        _, _, worst = self._most(messages, len(batch), schema)

        def once() -> list[Kept]:
            with self._budget.reserve(worst):
                if self._stopped.is_set():
                    raise RequestFailed("the run asks nothing more")
                try:
                    answer = self._service.ask(messages, len(batch), schema)
                except RequestFailed as failure:
                    if failure.billed:
                        self._cache.risk(str(failure), worst)
                    raise
                return self._keep(ask, batch, messages, schema, answer)

        return with_patience(once, self._patience)

    def _affordable(
        self, messages: Sequence[Message], missing: list[int], schema: Schema | None
    ) -> list[int]:
        """As many of the missing samples as one request may ask for; one is always tried."""
        left, size = self._budget.left(), len(missing)
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
        hide = self._service.key.hide
        kept = [
            Kept(i, sample.status, hide(sample.text), hide(sample.reason))
            for i, sample in zip(batch, answer.samples, strict=False)  # Ollama gives one of n
        ]
        tokens_in, tokens_out, reason = answer.tokens_in, answer.tokens_out, kept[0].reason
        if tokens_in is None or tokens_out is None:
            tokens_in, tokens_out, _ = self._most(messages, len(batch), schema)
            uncounted = "the service did not count its tokens: the most it can be is booked"
            reason = f"{reason}; {uncounted}" if reason else uncounted
        cost = chat_config.cost(self._prices, tokens_in, tokens_out)
        numbers = {"tokens_in": tokens_in, "tokens_out": tokens_out, "cost_usd": cost}
        kept[0] = kept[0]._replace(reason=reason, **numbers)
        self._cache.keep(ask, kept)
        return kept

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
        what = "--chat.name and --chat.base-url" if failure.status == 404 else "the key"
        return f"{self.name} does not answer: {failure}. Check {what}, then go on with --resume"


def _reply(kept: Kept, paid: bool = False) -> Reply:
    """A kept sample as a reply; one that was paid for before costs nothing now."""
    numbers = (0, 0, 0.0) if paid else (kept.tokens_in, kept.tokens_out, kept.cost_usd)
    return Reply(kept.text, *numbers, problem=kept.reason, status=kept.status)
