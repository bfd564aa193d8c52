"""Proxies, certificates, deadlines and sizes of requests."""

import threading
import time

import httpx2
import pytest
from services import ASKED, PROVIDERS, model_for, says, texts

from core_jax.models import (
    ChatConfig,
    ChatError,
    RetryPolicy,
    check_labeller,
    make_labeller,
    open_ledger,
)
from core_jax.models import http as http_module
from core_jax.models.failures import RequestFailed
from core_jax.models.http import HttpClient, within
from core_jax.models.keys import Key

pytestmark = pytest.mark.usefixtures("keys")
PROXIES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in (*PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@PROVIDERS
@pytest.mark.parametrize(
    "variables",
    [
        {"ALL_PROXY": "socks5://127.0.0.1:1"},
        {"HTTP_PROXY": "http://127.0.0.1:1"},
        {"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "nonsense://x"},
        {"SSL_CERT_FILE": "/missing.pem"},
        {"SSL_CERT_DIR": "/missing"},
    ],
)
def test_loopback_needs_neither_proxies_nor_certificates(
    provider, variables, server, tmp_path, monkeypatch
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    server.script = [says(provider, "a")]
    assert texts(model_for(provider, server, tmp_path).complete(ASKED, 1)) == ["a"]


@PROVIDERS
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ALL_PROXY", "socks5://u:pw@h:1", r"ALL_PROXY \(socks5://...\): a SOCKS proxy needs"),
        ("https_proxy", "nonsense://u:pw@h:1", r"https_proxy \(nonsense://...\): not the address"),
        ("SSL_CERT_FILE", "/missing.pem", "SSL_CERT_FILE=/missing.pem cannot be used .No such"),
    ],
)
def test_bad_settings_of_the_environment_are_named(provider, name, value, message, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message) as caught:
        check_labeller(provider, ChatConfig())
    assert "pw" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_without_certificates_is_named(tmp_path, monkeypatch):
    path = tmp_path / "certificates.pem"
    path.write_text("none")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(ValueError, match="certificates.pem cannot be used .not a file of PEM"):
        check_labeller("openai", ChatConfig())


def test_the_environment_does_not_move_gemini(server, tmp_path, monkeypatch):
    """The library would send the key to whatever this variable says."""
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
    asked = []

    def answer(request):
        asked.append(str(request.url))
        return httpx2.Response(503)

    chat = ChatConfig(retries=0)
    model = make_labeller("gemini", chat, ledger=open_ledger(5.0, tmp_path),
                          transport=httpx2.MockTransport(answer))  # fmt: skip
    with pytest.raises(ChatError, match="HTTP 503"):
        model.complete(ASKED, 1)
    vendor, name = "https://generativelanguage.googleapis.com/", "models/gemini-3.8-flash"
    assert asked[0].startswith(vendor) and asked[0].endswith(f"{name}:generateContent")


@pytest.mark.parametrize(
    ("error", "words", "tries"),
    [
        (httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] no"), "set SSL_CERT_FILE to", 1),
        (httpx2.ProxyError("403 Forbidden"), "the proxy of .* failed .ProxyError: 403", 3),
        (httpx2.RemoteProtocolError("peer closed"), "connection lost .RemoteProtocolError", 3),
        (httpx2.InvalidURL("bad"), "connection lost .InvalidURL", 1),
    ],
)
def test_failures_of_the_connection_are_named(error, words, tries, tmp_path):
    sent = []

    def fail(request):
        sent.append(request)
        raise error

    chat = ChatConfig(name="m", prices=(0.0, 0.0), retries=2)
    slept = []
    model = make_labeller("openai", chat, ledger=open_ledger(5.0, tmp_path),
                          policy=RetryPolicy(sleep=slept.append),
                          transport=httpx2.MockTransport(fail))  # fmt: skip
    with pytest.raises(ChatError, match=words):
        model.complete(ASKED, 1)
    assert len(sent) == tries


def test_a_proxy_that_is_gone_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://u:pw@127.0.0.1:1")
    model = make_labeller("openai", ChatConfig(retries=0), ledger=open_ledger(5.0, tmp_path))
    with pytest.raises(ChatError, match="connect through the proxy of HTTPS_PROXY") as caught:
        model.complete(ASKED, 1)
    assert "pw" not in str(caught.value)


def test_an_answer_that_is_too_large_is_not_read(monkeypatch):
    monkeypatch.setattr(http_module, "LARGEST_BODY", 1_000)
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=b"x" * 2_000))
    with pytest.raises(RequestFailed, match="too large"):
        HttpClient(5.0, Key("K", ""), transport=transport).post("https://h/", content=b"{}")


def test_an_answer_that_came_while_the_process_stood_still_is_read(monkeypatch):
    """SIGSTOP for an hour: the clock goes on, the answer waits, and it is paid for."""
    hours, clock = [0.0, 3_600.0], time.monotonic
    monkeypatch.setattr(http_module, "_LONGEST_WAIT", 0.01)
    monkeypatch.setattr(
        http_module.time, "monotonic", lambda: clock() + (hours.pop(0) if hours else 3_600.0)
    )
    assert within(5.0, lambda: threading.Event().wait(0.1) or 7, lambda: None) == 7


def test_work_that_takes_too_long_is_left_behind():
    release = threading.Event()
    began = time.monotonic()
    with pytest.raises(RequestFailed, match="no complete answer within 0.1 s") as caught:
        within(0.1, lambda: release.wait(10), release.set)
    assert time.monotonic() - began < 5 and caught.value.passing and caught.value.billed
    assert release.is_set()
    assert within(5.0, lambda: 7, release.clear) == 7
    with pytest.raises(KeyError):
        within(5.0, lambda: {}["x"], release.clear)
    assert release.is_set()
