"""Equal questions in flight: one request, one price, one answer for all who ask."""

import threading
import time

import pytest
from hostile_service import HostileService
from services import ASKED, PROVIDERS, chat_for, model_for, texts

from core_jax.models import ChatError, make_labeller, open_ledger
from core_jax.models.reply_cache import Ask, Kept, ReplyCache
from core_jax.models.single_flight import SingleFlight

pytestmark = pytest.mark.usefixtures("keys")


@pytest.fixture
def service():
    service = HostileService(honest=lambda r: [f"sample {i}" for i in range(r.n)])
    service.delay = 0.2
    yield service
    service.close()


def together(*calls):
    """Runs calls in threads; their results or errors in order."""
    results = [None] * len(calls)

    def run(i, call):
        try:
            results[i] = call()
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


@PROVIDERS
def test_equal_questions_in_flight_are_one_request(provider, service, tmp_path):
    model = model_for(provider, service, tmp_path)
    heard = together(*[lambda: model.complete(ASKED, 1)] * 8)
    assert [texts(replies) for replies in heard] == [["sample 0"]] * 8
    assert len(service.requests) == 1
    assert model.spent() == (30, pytest.approx((10 + 2 * 20) / 1e6))
    costs = sorted(replies[0].cost_usd for replies in heard)
    assert costs[:7] == [0.0] * 7 and costs[7] > 0  # paid once


def test_a_model_that_shares_the_ledger_shares_the_request(service, tmp_path):
    """The writer and the teacher may be the same hosted model."""
    ledger = open_ledger(5.0, tmp_path)
    models = [make_labeller("openai", chat_for("openai", service), ledger=ledger) for _ in range(2)]
    together(*[lambda m=m: m.complete(ASKED, 1) for m in models])
    assert len(service.requests) == 1


def test_who_wants_more_samples_asks_for_the_rest(service, tmp_path):
    model = model_for("openai", service, tmp_path)
    one, three = together(
        lambda: model.complete(ASKED, 1), lambda: time.sleep(0.05) or model.complete(ASKED, 3)
    )
    assert len(one) == 1 and len(three) == 3 and three[0].text == one[0].text
    assert [r.n for r in service.requests] == [1, 2]


def test_a_failure_is_shared_but_not_kept(service, tmp_path):
    service._next = lambda request: ["error_429_inside", "honest"][request.tries]
    model = model_for("openai", service, tmp_path, retries=0)
    heard = together(*[lambda: model.complete(ASKED, 1)] * 4)
    assert all(isinstance(error, ChatError) for error in heard)
    assert len(service.requests) == 1
    assert texts(model.complete(ASKED, 1)) == ["sample 0"]


def test_an_interrupt_belongs_to_one_thread():
    flights, began, stop = SingleFlight(), threading.Event(), threading.Event()

    def interrupted():
        began.set()
        stop.wait(10)
        raise KeyboardInterrupt

    def lead():
        with pytest.raises(KeyboardInterrupt):
            flights.run("key", interrupted)

    leader = threading.Thread(target=lead)
    leader.start()
    began.wait(10)
    follower = []
    waiting = threading.Thread(
        target=lambda: follower.extend(together(lambda: flights.run("key", lambda: None)))
    )
    waiting.start()
    time.sleep(0.05)
    stop.set()
    waiting.join(10)
    leader.join(10)
    assert isinstance(follower[0], ChatError)
    flights.run("key", lambda: None)  # nothing is left under way


def test_two_processes_with_the_same_answer(tmp_path):
    """The second answer is not kept, but what it cost counts against the budget."""
    caches = [ReplyCache(tmp_path / "replies.sqlite") for _ in range(2)]
    ask = Ask("openai", "m", (("user", "hello"),), ("", 1.0, 100), 0)
    for i, cache in enumerate(caches):
        cache.keep(ask, [Kept(0, "ok", f"answer {i}", "", 3, 4, 0.5), Kept(1, "ok", "b")])
    assert caches[1].find(ask, 0).text == "answer 0"
    assert caches[0].totals() == (7, 0.5) and caches[0].at_risk() == 0.5


def test_errors_that_earlier_versions_kept_are_asked_again(tmp_path):
    ask = Ask("openai", "m", (("user", "hello"),), ("", 1.0, 100), 0)
    cache = ReplyCache(tmp_path / "replies.sqlite")
    kept = [
        Kept(0, "malformed", "", "the service's answer has no choices", 100, 100, 1.0),
        Kept(1, "empty", "", "the reply is empty: OTHER"),
        Kept(2, "empty", "", "the reply is empty"),
        Kept(3, "refused", "", "the model refuses: no"),
    ]
    cache.keep(ask, kept)
    again = ReplyCache(tmp_path / "replies.sqlite")
    assert [again.find(ask, i) for i in range(4)] == [None, None, *kept[2:]]
    assert again.totals() == (0, 0.0)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "replies.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(ChatError, match="replies.sqlite cannot be used: file is not a database"):
        open_ledger(5.0, tmp_path)
