"""Which machines in front of us are ours, and whose address a request really comes from.

Anybody can write any X-Forwarded-For. Each proxy appends the address it was called from, so the
entries are read from the right, and only as far as the proxies are ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

_PORT = re.compile(r":\d{1,5}$")


@dataclass(frozen=True)
class TrustedProxies:
    """Our own proxies: how many stand in a row before us, or the networks they are in; none by default."""

    count: int = 0
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> TrustedProxies:
        """Read a setting: empty, a number (`2`), or networks (`10.0.0.0/8, fd00::/8`); raises ValueError."""
        entries = [entry.strip() for entry in text.split(",") if entry.strip()]
        if len(entries) == 1 and entries[0].isdecimal():
            return cls(count=int(entries[0]))
        return cls(networks=tuple(ip_network(entry) for entry in entries))

    def __bool__(self) -> bool:
        return bool(self.count or self.networks)

    def trusts(self, peer: Address | None, *, hop: int = 0) -> bool:
        """Answer whether what `peer` says is true: it is the `hop`-th machine before us, 0 the nearest."""
        if self.networks:
            return peer is not None and any(peer in network for network in self.networks)
        return hop < self.count

    def client(self, peer: Address | None, forwarded_for: str) -> Address | None:
        """Answer the address of the nearest machine that is not ours.

        `peer` is who opened the connection (None for a unix socket), `forwarded_for` the header as
        it came. Where an entry of ours is no address, the machine that wrote it is the answer.
        """
        address = peer
        entries = forwarded_for.split(",") if forwarded_for else []
        for hop, entry in enumerate(reversed(entries)):
            if not self.trusts(address, hop=hop):
                break
            nearer = parse_address(entry)
            if nearer is None:
                break
            address = nearer
        return address


def parse_address(text: str) -> Address | None:
    """Read an address, with or without a port: `192.0.2.1:80`, `[2001:db8::1]:443`; None for anything else.

    An IPv4 address within an IPv6 one (`::ffff:192.0.2.1`) is answered as the IPv4 address it is.
    """
    text = text.strip()
    if text.startswith("["):
        text = _PORT.sub("", text)
        text = text[1:-1] if text.endswith("]") else ""
    elif text.count(":") == 1:
        text = _PORT.sub("", text)
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
