"""The labelling page's server: who may ask it, what it refuses, and that it never prints."""

import json
import re
import socket
from xml.etree import ElementTree

import labelled_run
import pytest
from label_page import Page

from core_jax import envs
from core_jax.feedback.person import make_server
from core_jax.visual.frames import FrameRenderer

SIZE = 32


@pytest.fixture(scope="module")
def env():
    return envs.make("drawer-open")


@pytest.fixture(scope="module")
def render(env):
    return FrameRenderer(env, SIZE).render


@pytest.fixture
def page(run, env, render):
    with Page(run, env, render) as page:
        yield page


@pytest.fixture
def run(tmp_path):
    return labelled_run.make(tmp_path / "run", count=5)


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/state", None, {"Host": "evil.example"}, 403),  # a name that resolves to loopback
        ("GET", "/", None, {"Host": "127.0.0.1:1"}, 403),
        ("POST", "/undo", {}, {"Host": "evil.example"}, 403),
        ("POST", "/undo", {}, {"Origin": "http://evil.example"}, 403),
        ("POST", "/undo", {}, {"Origin": "null"}, 403),
        ("POST", "/undo", "{}", {"Content_Type": "text/plain"}, 415),  # a form of another page
        ("POST", "/undo", "x" * 5_000, {}, 413),
        ("POST", "/undo", "{", {}, 400),
        ("POST", "/undo", "[" * 4_000, {}, 400),
        ("POST", "/undo", '{"a":' * 800, {}, 400),
        ("POST", "/answer", {"key": "0" * 64, "choice": "a", "seconds": 1}, {}, 409),
        ("POST", "/answer", {"key": "?", "choice": "a"}, {}, 409),
        ("POST", "/answer", "[1]", {}, 409),
        ("POST", "/elsewhere", {}, {}, 404),
        ("GET", "/../../etc/passwd", None, {}, 404),
        ("GET", "/clip/../../config.json/a.png", None, {}, 404),
        ("GET", "/%2e%2e/config.json", None, {}, 404),
        ("GET", "/clip/" + "0" * 64 + "/a.png", None, {}, 404),
        ("GET", "/labels.sqlite", None, {}, 404),
        ("DELETE", "/state", None, {}, 501),
    ],
)
def test_nothing_else_is_served(shared, capfd, method, path, body, headers, status):
    reply, content = shared.send(method, path, body, **headers)
    assert reply.status == status
    assert b"root:" not in content and b"next_obs" not in content
    assert shared.state()["answered"] == 0
    assert capfd.readouterr().err == ""


@pytest.fixture(scope="module")
def shared(tmp_path_factory, env, render):
    run = labelled_run.make(tmp_path_factory.mktemp("shared") / "run", count=2)
    with Page(run, env, render) as page:
        yield page


@pytest.mark.parametrize("seconds", ["NaN", "Infinity", "-Infinity", "1e400", "1" + "0" * 400,
                                     "true", "null", '"1"', "[1]"])  # fmt: skip
def test_seconds_that_are_no_number(shared, capfd, seconds):
    body = f'{{"key": "{shared.key()}", "choice": "a", "seconds": {seconds}}}'
    reply, content = shared.send("POST", "/answer", body)
    assert reply.status == 409 and json.loads(content) == {"error": "seconds is a finite number"}
    assert shared.state()["answered"] == 0 and capfd.readouterr().err == ""


def test_seconds_are_limited_to_an_hour(page):
    key = page.key()
    assert page.answer(key, "a", 1e300)[0] == 200
    assert page.session.store.find(key, "person").seconds == 3_600.0


@pytest.mark.parametrize("root", ["", "/", "/wrong", "/" + "x" * 32, "/é"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/state"), ("POST", "/undo")])
def test_without_the_sessions_secret_nothing_is_served(shared, root, method, path):
    """Any user of the machine can reach a port of loopback."""
    root = root.encode().decode("latin-1") if root != "/é" else "/%C3%A9"
    reply, content = shared.send(method, path, {} if method == "POST" else None, root=root)
    assert reply.status == 403 and "open the address" in json.loads(content)["error"]
    assert shared.server.token not in content.decode()


def test_each_session_has_its_own_secret(run, env, render):
    with Page(run, env, render) as first, Page(run, env, render) as second:
        assert first.server.token != second.server.token and len(first.server.token) >= 32
        assert first.server.address == f"http://127.0.0.1:{first.port}/{first.server.token}/"


def test_a_connection_that_is_closed_early_prints_nothing(page, capfd):
    key = page.key()
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", page.port)) as browser:
            request = f"GET {page.root}/clip/{key}/a.png HTTP/1.1\r\n"
            browser.sendall(f"{request}Host: 127.0.0.1:{page.port}\r\n\r\n".encode())
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)  # resets the connection
    page.send("GET", f"/clip/{key}/a.png")
    assert capfd.readouterr().err == ""


def test_a_label_file_that_becomes_unreadable_is_named(page, capfd):
    connection = page.session.store.database.connection
    connection.execute("DROP TABLE answers")
    reply, content = page.send("GET", "/state")
    assert reply.status == 500 and "labels.sqlite: cannot be read" in json.loads(content)["error"]
    assert capfd.readouterr().err == ""


def test_the_page_needs_nothing_from_elsewhere(shared):
    reply, content = shared.send("GET", "/")
    page = content.decode()
    assert reply.status == 200 and 'id="clips"' in page
    assert "http://" not in page and "https://" not in page and 'src="//' not in page
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    assert shared.server.server_address[0] == "127.0.0.1"


def test_the_icon_of_the_page_is_there(shared):
    page = shared.send("GET", "/")[1].decode()
    [link] = re.findall(r'<link rel="icon" type="(.+?)" href="(.+?)">', page)
    reply, content = shared.send("GET", f"/{link[1]}")
    assert reply.status == 200 and reply.headers["Content-Type"] == link[0] == "image/svg+xml"
    assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_is_none_is_named(shared, port):
    with pytest.raises(ValueError, match="--port"):
        make_server(shared.session, port)


def test_a_taken_port_is_named(shared):
    with pytest.raises(ValueError, match=f"--port {shared.port}: .*0 takes a free one"):
        make_server(shared.session, shared.port)
