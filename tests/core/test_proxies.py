"""core.proxies: whose address a request comes from, whatever its headers claim."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.proxies import TrustedProxies, parse_address

NONE = ""
ONE = "1"
TWO = "2"
NETWORKS = "10.0.0.0/8, fd00::/8"


class TestClient:
    @pytest.mark.parametrize(
        ("setting", "peer", "forwarded_for", "client"),
        [
            # Without the setting nothing but the connection counts.
            (NONE, "198.51.100.7", "", "198.51.100.7"),
            (NONE, "198.51.100.7", "203.0.113.9", "198.51.100.7"),
            (NONE, "127.0.0.1", "203.0.113.9", "127.0.0.1"),
            # One proxy: the last entry is its own; all before it are the client's invention.
            (ONE, "10.0.0.1", "203.0.113.9", "203.0.113.9"),
            (ONE, "10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
            (ONE, "10.0.0.1", "1.1.1.1,8.8.8.8 ,203.0.113.9", "203.0.113.9"),
            (ONE, "10.0.0.1", "", "10.0.0.1"),
            # Two in a row; a client that reached the inner one directly cannot go further back.
            (TWO, "10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            (TWO, "10.0.0.1", "203.0.113.9", "203.0.113.9"),
            # By network: read on while the machine that speaks is ours.
            (NETWORKS, "10.0.0.1", "6.6.6.6, 203.0.113.9, 10.3.2.1", "203.0.113.9"),
            (NETWORKS, "10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
            (NETWORKS, "203.0.113.9", "6.6.6.6", "203.0.113.9"),
            (NETWORKS, "203.0.113.9", "10.0.0.5", "203.0.113.9"),
            (NETWORKS, "fd00::1", "2001:db8::9", "2001:db8::9"),
            (NETWORKS, "::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
            (NETWORKS, "10.0.0.1", "10.9.9.9", "10.9.9.9"),
            # With a port, in brackets, mapped.
            (ONE, "10.0.0.1", "203.0.113.9:51234", "203.0.113.9"),
            (ONE, "10.0.0.1", "[2001:db8::9]:443", "2001:db8::9"),
            (ONE, "10.0.0.1", "[2001:db8::9]", "2001:db8::9"),
            (ONE, "10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
            # Garbage where our proxy should have written an address: that proxy is all we know.
            (ONE, "10.0.0.1", "unknown", "10.0.0.1"),
            (ONE, "10.0.0.1", "203.0.113.9, ", "10.0.0.1"),
            (ONE, "10.0.0.1", "203.0.113.9, <script>", "10.0.0.1"),
            (TWO, "10.0.0.1", "203.0.113.9, _hidden, 10.0.0.2", "10.0.0.2"),
            # Garbage further left is the client's and is never reached.
            (ONE, "10.0.0.1", "'; drop table, 203.0.113.9", "203.0.113.9"),
            # A unix socket has no address; a counted proxy behind it is still believed.
            (ONE, "", "203.0.113.9", "203.0.113.9"),
            (NETWORKS, "", "203.0.113.9", None),
        ],
    )
    def test_is_the_nearest_machine_that_is_not_ours(
        self, setting: str, peer: str, forwarded_for: str, client: str | None
    ) -> None:
        found = TrustedProxies.parse(setting).client(parse_address(peer), forwarded_for)
        assert (str(found) if found else None) == client

    @given(st.lists(st.ip_addresses().map(str) | st.text(max_size=20), max_size=6), st.ip_addresses())
    def test_cannot_be_moved_by_what_a_client_writes(self, forged: list[str], real: object) -> None:
        honest = TrustedProxies.parse("1").client(ip_address("10.0.0.1"), str(real))
        spoofed = TrustedProxies.parse("1").client(ip_address("10.0.0.1"), ",".join([*forged, str(real)]))
        assert spoofed == honest


class TestParse:
    @pytest.mark.parametrize("text", ["10.0.0.0/33", "proxy.example", "1,x", "-1", "10.0.0.1/8"])
    def test_refuses_what_is_neither_number_nor_networks(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            TrustedProxies.parse(text)

    @pytest.mark.parametrize(("text", "some"), [("", False), ("0", False), (" , ", False), ("1", True), ("::1", True)])
    def test_says_whether_there_are_any(self, text: str, some: bool) -> None:
        assert bool(TrustedProxies.parse(text)) is some


class TestParseAddress:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "unknown",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.4:x",
            "[::1",
            "::1]",
            "[1.2.3.4",
            "[]",
            "a@1.2.3.4",
            "1.2.3.4/8",
        ],
    )
    def test_answers_nothing_for_garbage(self, text: str) -> None:
        assert parse_address(text) is None

    @given(st.text())
    def test_never_fails(self, text: str) -> None:
        parse_address(text)
