"""Which IP addresses are the public internet's: where strangers' addresses may lead. After IANA's registries."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_NOT_PUBLIC_4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers' NAT, and a cloud's metadata (100.100.100.200)
            "127.0.0.0/8",
            "168.63.129.16/32",  # a cloud's metadata at an address that looks public
            "169.254.0.0/16",  # link-local, and most clouds' metadata
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments, and a cloud's metadata (192.0.0.192)
            "192.0.2.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_GLOBAL_6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
            "2001:db8::/32",
            "2002::/16",  # 6to4: an IPv4 address inside
            "3fff::/20",
        ),
    )
)
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)


def is_public(address: str) -> bool:
    """Whether an IP address may be fetched from. Raises ValueError for what is no address.

    An IPv6 address must be of the global range, which leaves out loopback, link-local, site-local and own networks,
    multicast, and IPv4 addresses mapped, translated (NAT64) or embedded: those would lead back to any IPv4 network.
    """
    if "%" in address:  # a zone: no address of the internet has one
        return False
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_4)
    return ip in _GLOBAL_6 and not _embeds_ipv4(ip) and not any(ip in network for network in _NOT_PUBLIC_6)


def _embeds_ipv4(ip: IPv6Address) -> bool:
    """ISATAP's interface identifiers lie in any network, and hold an IPv4 address."""
    return (int(ip) >> 32) & 0xFFFF_FFFF in _ISATAP
