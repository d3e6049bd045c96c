"""Whether an address is one of the internet, and a resolver that finds no others: for names that strangers choose."""

import errno
import ipaddress
import socket

import aiohttp
from aiohttp.abc import ResolveResult

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class OutsideResolver(aiohttp.ThreadedResolver):
    """What a name stands for, without the addresses of a network of our own.

    A name is checked here and not before: its owner may let it lead elsewhere a moment later.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = [each for each in await super().resolve(host, port, family) if is_outside(each["host"])]
        if not found:
            raise OSError(errno.EACCES, "the name leads to a network of our own")
        return found


def is_outside(address: str) -> bool:
    """Whether an address that a name stands for is one of the internet, and none of a network of somebody's own."""
    try:
        read = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(read, ipaddress.IPv6Address):
        # An IPv4 address in another dress leads to where that one leads.
        inside = read.ipv4_mapped or read.sixtofour or (read.teredo[1] if read.teredo else None)
        if inside is None and read in _NAT64:
            inside = ipaddress.IPv4Address(int(read) & 0xFFFFFFFF)
        if inside is not None:
            return is_outside(str(inside))
    return read.is_global and not read.is_multicast
