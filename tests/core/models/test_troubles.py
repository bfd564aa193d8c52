"""What a hosted model failed with is said once for each kind, and then rarely."""

import threading

import pytest
from hostile_service import HostileService
from services import ASKED, model_for

from core_jax.models import ChatError, make_labeller, open_ledger
from core_jax.models.troubles import TroubleLog

pytestmark = pytest.mark.usefixtures("keys")


def test_the_first_of_each_kind_and_powers_of_ten():
    lines = []
    log = TroubleLog(lines.append)
    for i in range(100):
        log.report("m", f"HTTP 429: request {i}", "asked again")
    log.report("m", "HTTP 500: oops")
    assert lines == [
        "  m: HTTP 429: request 0 (asked again)",
        "  m: HTTP 429: request 9 (asked again); 10 times so far",
        "  m: HTTP 429: request 99 (asked again); 100 times so far",
        "  m: HTTP 500: oops",
    ]
    assert log.counts == {"HTTP 429": 100, "HTTP 500": 1}


def test_threads_lose_no_count():
    log = TroubleLog()
    work = lambda: [log.report("m", "late") for _ in range(500)]
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.counts["late"] == 2_000


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        ("error_429_inside", "HTTP 429: upstream is busy (asked again)"),
        ("html", "the answer is not JSON: '<html>502 Bad Gateway</html>'... (asked again)"),
        ("nothing_list", "the service's answer has no choices (asked again)"),
        ("control_characters", "HTTP 400: red title end ."),
        ("reasoning_only", "the reply is empty but for the model's reasoning"),
        ("unfinished_thought", "cut off at 16384 output tokens inside the model's reasoning"),
        ("key_in_reply", "the reply repeats the key in OPENAI_API_KEY"),
        ("usage_huge", "the service did not count its tokens: the most it can be is booked"),
    ],
)
def test_a_failure_is_a_line(fault, line, tmp_path):
    lines, service = [], HostileService(schedule=[fault])
    like = model_for("openai", service, tmp_path)
    ledger = open_ledger(5.0, tmp_path, lines.append)
    model = make_labeller("openai", like._chat, ledger=ledger, policy=like._policy)
    try:
        model.complete(ASKED, 1)
    except ChatError:
        assert fault == "control_characters"
    service.close()
    assert len(lines) == 1 and lines[0].startswith(f"  openai a-model: {line}")


def test_a_ledger_that_is_stopped_sends_nothing(tmp_path):
    service = HostileService()
    model = model_for("openai", service, tmp_path, retries=0)
    assert model._ledger.stop()  # nothing is under way
    with pytest.raises(ChatError, match="the run has stopped sending requests"):
        model.complete(ASKED, 1)
    service.close()
    assert service.requests == []
