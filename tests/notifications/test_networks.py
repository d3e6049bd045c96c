"""Which addresses are of the internet; and that a name which leads elsewhere is not followed."""

import socket

import aiohttp
import pytest

from incidents.errors import ProviderUnavailable
from notifications.networks import OutsideResolver, is_outside
from notifications.origins import Origins


@pytest.mark.parametrize("address", ["142.250.74.74", "2a00:1450:4001:80f::200a", "::ffff:142.250.74.74"])
def test_addresses_of_the_internet(address):
    assert is_outside(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.8",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:10.0.0.8",
        "2002:a00:8::1",
        "64:ff9b::a00:8",
        "no address",
    ],
)
def test_addresses_of_somebodys_own_network(address):
    assert not is_outside(address)


def leading_to(*addresses):
    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [
            {"hostname": host, "host": each, "port": port, "family": family, "proto": 0, "flags": 0}
            for each in addresses
        ]

    return resolve


async def test_of_a_names_addresses_only_those_outside_are_tried(monkeypatch):
    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", leading_to("10.0.0.8", "142.250.74.74"))

    found = await OutsideResolver().resolve("push.example", 443)

    assert [each["host"] for each in found] == ["142.250.74.74"]


async def test_nothing_is_posted_to_a_name_that_leads_to_our_own_network(monkeypatch, recorder):
    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", leading_to("127.0.0.1"))
    port = recorder.url.rpartition(":")[2]
    strict, free = Origins(2, outside_only=True), Origins(2)
    url = f"http://jenkins.corp.example:{port}/build"

    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await strict.post(url, b"{}", {}, "The push service")
    assert recorder.at("/build") == []
    assert (await free.post(url, b"{}", {}, "The receiver")).is_acceptance

    await strict.close()
    await free.close()
