"""API keys: what is masked, and where a key is sent."""

import pytest

from core_jax.models import ChatConfig, check_chat, check_labeller
from core_jax.models.chat_config import is_loopback, is_vendor
from core_jax.models.keys import Key, find_key

SECRET = "sk-proj-Zk3mQ9xT7vB2nW5rL8pD1cF6"
REMOTE = "http://10.1.2.3:8000/v1"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("GEMINI_API_KEY", SECRET)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"key {SECRET}!", "key [K]!"),
        (f"{SECRET}{SECRET}", "[K]"),
        (f"key {SECRET[:-1]} is wrong", "key [K] is wrong"),
        (f"key {SECRET[5:20]} is wrong", "key [K] is wrong"),
        (f"key {SECRET[:3]}****{SECRET[-4:]}.", "key [K]."),
        (f"key {SECRET[:7]}...", "key [K]"),
        (f"ends in ***{SECRET[-4:]}", "ends in [K]"),
        ("the field max_tokens is required...", "the field max_tokens is required..."),
        ("", ""),
    ],
)
def test_a_key_and_its_parts_are_masked(text, masked):
    assert Key("K", SECRET).mask(text) == masked


@pytest.mark.parametrize("value", ["", "x", "0", "k", "EMPTY", "ollama"])
def test_short_keys_are_not_masked(value):
    text = "np.exp(x) EMPTY 0 ollama"
    key = Key("K", value)
    assert key.mask(text) == text and not key.appears_in(text)


def test_a_placeholder_in_words_masks_only_itself():
    key = Key("K", "sk-no-key-required")
    assert key.mask("max_tokens is required") == "max_tokens is required"
    assert key.mask("wrong key sk-no-key-required") == "wrong key [K]"


@pytest.mark.parametrize(
    "key",
    [
        "sk-live-0123456789abcdefghijklmnopqrstuv",
        "sk-" + "abcdefghijklmnopqrstuvwxyz" + "abcdefghij",
        "sk-qwertyuiopas-dfghjklzxcvbnmqwertyuio",
        "SKABCDEFGHIJKLMNOPQRSTUVWXYZ",
    ],
)
def test_a_cut_key_without_digits_shows_no_part_of_itself(key):
    for cut in (key[:-1], key[1:], key[3:], key[3:-1], key[:20], key[8:24]):
        shown = Key("K", key).mask(f"error: {cut} is bad")
        assert not any(key[i : i + 8] in shown for i in range(len(key) - 7)), shown


def test_only_a_real_key_is_looked_for_in_replies():
    assert Key("K", SECRET).appears_in(f"print('{SECRET}')")
    assert Key("K", SECRET).appears_in(SECRET[4:24])
    assert not Key("K", SECRET).appears_in(SECRET[:8])
    assert not Key("K", "not-needed").appears_in("a key is not-needed")


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://127.8.8.8/v1", True),
        ("http://localhost:11434/v1", True),
        ("http://LOCALHOST./v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://10.1.2.3/v1", False),
        ("http://127.0.0.1.example.com/v1", False),
        ("http://localhost.example.com/v1", False),
        ("http://0.0.0.0/v1", False),
    ],
)
def test_loopback(url, local):
    assert is_loopback(url) == local


def test_vendors_are_known_by_scheme_and_host():
    assert is_vendor("openai", "https://api.openai.com/v1/")
    assert not is_vendor("openai", "http://api.openai.com/v1")
    assert not is_vendor("openai", "https://api.openai.com:444/v1")
    assert not is_vendor("openai", "https://api.openai.com.example.com/v1")
    assert not is_vendor("gemini", "https://api.openai.com/v1")


def chat(url, **more):
    return ChatConfig(name="m", base_url=url, prices=(0.0, 0.0), **more)


@pytest.mark.parametrize("provider", ["openai", "gemini"])
def test_a_key_is_not_sent_unencrypted(provider, monkeypatch):
    with pytest.raises(ValueError, match="unencrypted to http://10.1.2.3:8000/v1.*send-key never"):
        check_labeller(provider, chat(REMOTE))
    assert find_key(provider, chat(REMOTE, send_key="always")).reveal() == SECRET
    assert not find_key(provider, chat(REMOTE, send_key="never"))
    assert find_key(provider, chat("http://127.0.0.1:1/v1")).reveal() == SECRET
    assert find_key(provider, chat("https://10.1.2.3/v1")).reveal() == SECRET
    monkeypatch.delenv("OPENAI_API_KEY")
    assert not find_key("openai", chat(REMOTE))  # there is nothing to send


@pytest.mark.parametrize("provider", ["openai", "gemini"])
def test_a_foreign_address_needs_consent(provider):
    foreign = chat("https://elsewhere.example/v1")
    with pytest.raises(ValueError, match="give --chat.base-url https://elsewhere.example/v1 to "):
        check_labeller(provider, foreign, base_url_trusted=False)
    check_labeller(provider, foreign)
    with pytest.raises(ValueError, match="sends .* to http://10.1.2.3"):
        find_key(provider, chat(REMOTE, send_key="always"), base_url_trusted=False)
    for harmless in (ChatConfig(), chat("http://localhost:1/v1")):
        assert find_key(provider, harmless, base_url_trusted=False).reveal() == SECRET
    assert not find_key(provider, chat(REMOTE, send_key="never"), base_url_trusted=False)


def test_no_address_with_spaces_or_escapes():
    for url in ("https://h/v1\x1b[0m", "https://h/ v1"):
        with pytest.raises(ValueError, match="must be http:// or https://"):
            check_chat("openai", chat(url), 1.0)
