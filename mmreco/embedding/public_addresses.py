"""Which internet addresses belong to the public internet, and to nobody's inside.

IANA's registries of special-purpose addresses (RFC 6890 and later), written out because Python's own table depends on
its version, and because clouds keep services inside at addresses that are public by the registry.
"""

import ipaddress
from typing import Final

__all__ = ["is_public"]

_INSIDE: Final = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers' own; clouds' metadata, too
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's platform
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocols; Oracle's metadata
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
# Of IPv6 only global unicast is public; that leaves out what holds an IPv4 address (mapped, compatible, translated),
# local and site-local ones. Inside global unicast these are not:
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_SPECIAL: Final = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # protocols, Teredo among them
            "2001:db8::/32",
            "2002::/16",  # 6to4, which holds an IPv4 address
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)
_ISATAP: Final = (0x00005EFE, 0x02005EFE)  # before an IPv4 address in the lower half


def is_public(address: str) -> bool:
    """Whether an address, as the resolver writes it, is one of the public internet; not so where it is none at all."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # with a zone, say
        return False
    if not parsed.is_global or parsed.is_multicast:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in _INSIDE)
    return (
        parsed in _UNICAST
        and not any(parsed in network for network in _SPECIAL)
        and (int(parsed) >> 32) & 0xFFFFFFFF not in _ISATAP
    )
