"""Fetching what others name: bounded, and never into the private network."""

from __future__ import annotations

import gzip
import io
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from core import outbound
from tests.http_server import Answering, answering, serving


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, Answering]]]:
    """A server on this machine; a test says what it answers by path."""
    with serving() as running:
        yield running


def fetch(url: str, **options: Any) -> tuple[outbound.Answer, bytes]:
    into = io.BytesIO()
    answer = outbound.fetch(url, into=into, **{"most": 1000, "seconds": 5.0, **options})
    return answer, into.getvalue()


class TestFetch:
    @pytest.fixture(autouse=True)
    def _allow_this_machine(self, settings: Any) -> None:
        settings.OUTBOUND_ALLOW_LOOPBACK = True

    def test_writes_what_is_answered(self, server: Any) -> None:
        url, answers = server
        answers["/feed"] = answering(b"titles", ETag='"a"', Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT")
        answer, body = fetch(f"{url}/feed")
        assert body == b"titles"
        assert (answer.is_new, answer.etag, answer.last_modified, answer.size) == (
            True, '"a"', "Thu, 01 Jan 2026 00:00:00 GMT", 6,
        )  # fmt: skip

    def test_says_that_nothing_has_changed(self, server: Any) -> None:
        url, answers = server
        asked = []

        def answer(handler: BaseHTTPRequestHandler) -> None:
            asked.append(handler.headers["If-None-Match"])
            answering(status=304)(handler)

        answers["/feed"] = answer
        answered, body = fetch(f"{url}/feed", headers={"If-None-Match": '"a"'})
        assert (answered.is_new, body, asked) == (False, b"", ['"a"'])

    def test_follows_a_redirect_and_says_where_it_came_to(self, server: Any) -> None:
        url, answers = server
        answers["/old"] = answering(status=302, Location="/new")
        answers["/new"] = answering(b"here")
        answer, body = fetch(f"{url}/old")
        assert (answer.url, body) == (f"{url}/new", b"here")

    def test_gives_up_on_redirects_without_end(self, server: Any) -> None:
        url, answers = server
        answers["/a"] = answering(status=302, Location="/a")
        with pytest.raises(outbound.FetchFailed, match="TooManyRedirects"):
            fetch(f"{url}/a")

    def test_refuses_more_than_is_wanted(self, server: Any) -> None:
        url, answers = server
        answers["/feed"] = answering(b"x" * 1001)
        with pytest.raises(outbound.TooLarge, match="1,000"):
            fetch(f"{url}/feed")

    def test_refuses_what_unpacks_to_more_than_is_wanted(self, server: Any) -> None:
        url, answers = server
        bomb = gzip.compress(bytes(50_000_000))
        answers["/feed"] = answering(bomb, Content_Encoding="gzip")
        into = io.BytesIO()
        with pytest.raises(outbound.TooLarge):
            outbound.fetch(f"{url}/feed", into=into, most=100_000, seconds=5)
        assert len(into.getvalue()) <= 100_000

    def test_refuses_what_trickles(self, server: Any) -> None:
        url, answers = server
        gone = threading.Event()

        def trickle(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.end_headers()
            while not gone.wait(0.01):
                try:
                    handler.wfile.write(b"x" * 70_000)
                except OSError:
                    return

        answers["/feed"] = trickle
        with pytest.raises(outbound.FetchFailed, match=r"longer than 0\.2 seconds"):
            fetch(f"{url}/feed", seconds=0.2, most=10**9)
        gone.set()

    @pytest.mark.parametrize("status", [201, 206, 401, 404, 500])
    def test_refuses_what_is_no_answer(self, server: Any, status: int) -> None:
        url, answers = server
        answers["/feed"] = answering(b"no", status=status)
        with pytest.raises(outbound.FetchFailed, match=str(status)):
            fetch(f"{url}/feed")

    def test_says_nothing_of_names_and_passwords_in_an_address(self, server: Any) -> None:
        url, answers = server
        answers["/feed"] = answering(status=404)
        secret = url.replace("http://", "http://me:secret@") + "/feed?token=secret"
        with pytest.raises(outbound.FetchFailed) as caught:
            fetch(secret)
        assert "secret" not in str(caught.value)


class TestPrivateNetwork:
    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://0.0.0.0/", "http://[::]/",
            "http://10.0.0.8/", "http://172.16.0.1/", "http://192.168.1.1/", "http://169.254.169.254/latest/meta-data",
            "http://[fe80::1]/", "http://[fd00::1]/", "http://[::ffff:10.0.0.1]/", "http://[::ffff:7f00:1]/",
            "http://100.64.0.1/", "http://224.0.0.1/", "http://2130706433/", "http://0x7f000001/", "http://127.1/",
            "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/",
        ],
    )  # fmt: skip
    def test_is_never_fetched(self, url: str) -> None:
        with pytest.raises(outbound.AddressRefused):
            fetch(url)

    @pytest.mark.parametrize(
        "url", ["file:///etc/passwd", "ftp://example.org/a", "gopher://example.org/", "feed", "", "http:///x", "//x/y",
            "http://example.org:99999/", "http://example.org:port/", "http://[example.org/", "http://[::1"]
    )  # fmt: skip
    def test_nor_is_what_is_no_web_address(self, url: str) -> None:
        with pytest.raises(outbound.AddressRefused):
            fetch(url)

    def test_nor_is_what_a_redirect_names_that_nobody_can_read(self, server: Any) -> None:
        url, answers = server
        for wrong in ("http://[example.org/", "http://example.org:99999/"):
            answers["/feed"] = answering(status=302, Location=wrong)
            with pytest.raises(outbound.AddressRefused):
                fetch(f"{url}/feed")

    def test_is_not_reached_by_a_redirect(self, server: Any, settings: Any) -> None:
        settings.OUTBOUND_ALLOW_LOOPBACK = True
        url, answers = server
        answers["/feed"] = answering(status=302, Location="http://169.254.169.254/latest/meta-data")
        with pytest.raises(outbound.AddressRefused, match="169"):
            fetch(f"{url}/feed")

    def test_is_not_reached_by_a_name_that_changes_its_mind(
        self, server: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the name answers first is what is connected to: it is not asked again."""
        settings.OUTBOUND_ALLOW_LOOPBACK = True
        url, answers = server
        answers["/feed"] = answering(b"titles")
        asked: list[str] = []
        real = socket.getaddrinfo

        def resolve(host: Any, *rest: Any, **options: Any) -> Any:
            if host == "rebind.example":
                asked.append(host)
                host = "127.0.0.1" if len(asked) == 1 else "10.0.0.8"
            return real(host, *rest, **options)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        _, content = fetch(url.replace("127.0.0.1", "rebind.example") + "/feed")
        assert (content, asked) == (b"titles", ["rebind.example"])

    def test_is_not_reached_through_a_proxy_of_the_machine(self, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        url, answers = server
        answers["/"] = answering(b"inside")
        monkeypatch.setenv("HTTP_PROXY", url)
        monkeypatch.setenv("http_proxy", url)
        with pytest.raises(outbound.AddressRefused):
            fetch("http://10.0.0.8/")
