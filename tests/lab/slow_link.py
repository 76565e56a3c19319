"""A far network: a second namespace behind a link that delays packets and loses some.

Kernels without netem have TUN devices all the same: one in each namespace, and a process between them that hands each
packet on when its time has come. nmap's raw packets pass it like any other.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import random
import select
import signal
import socket
import struct
import subprocess
import time
from collections import deque
from collections.abc import Iterator

NEAR, FAR = "10.77.0.0/16", "10.78.0.1"
"""Every address of the first network is a host of this namespace; the second is the far namespace's own."""

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_PACKET = 2048


def far_hosts(count: int) -> list[str]:
    """Return ``count`` addresses under which this namespace is reached over the link."""
    return [f"10.77.{number // 250}.{number % 250 + 1}" for number in range(count)]


@contextlib.contextmanager
def slow_link(round_trip: float, loss: float = 0) -> Iterator[list[str]]:
    """Link this namespace to a far one until the block ends; yield the beginning of commands that run there.

    ``round_trip`` is in seconds, ``loss`` the share of packets that get lost, in each direction. Needs root and a
    namespace of our own.
    """
    ours, theirs = socket.socketpair()
    far = os.fork()
    if far == 0:
        ours.close()
        _live_far(theirs)
    theirs.close()
    try:
        near_end = _tun("near")
        _ip("addr add 10.77.255.254/32 dev near", "link set near up", f"route add {FAR} dev near")
        _ip(f"route add local {NEAR} dev lo")
        _, descriptors, _, _ = socket.recv_fds(ours, 16, 1)
        relay = os.fork()
        if relay == 0:
            _relay(near_end, descriptors[0], round_trip / 2, loss)
        os.close(near_end)
        os.close(descriptors[0])
        try:
            yield ["nsenter", f"--net=/proc/{far}/ns/net"]
        finally:
            _end(relay)
            _ip(f"route del local {NEAR} dev lo")
    finally:
        _end(far)
        ours.close()


def _live_far(channel: socket.socket) -> None:
    try:
        if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "no namespace of our own")
        end = _tun("far")
        _ip("link set lo up", f"addr add {FAR}/32 dev far", "link set far up", f"route add {NEAR} dev far")
        socket.send_fds(channel, [b"+"], [end])
        os.close(end)
        channel.recv(1)  # until the other side closes
    finally:
        os._exit(0)


def _relay(near: int, far: int, delay: float, loss: float) -> None:
    chance = random.Random(1)
    other = {near: far, far: near}
    waiting: deque[tuple[float, int, bytes]] = deque()
    poll = select.epoll()
    for end in other:
        os.set_blocking(end, False)
        poll.register(end, select.EPOLLIN)
    try:
        while True:
            left = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            for end, _ in poll.poll(left):
                with contextlib.suppress(BlockingIOError):
                    for _ in range(64):
                        packet = os.read(end, _PACKET)
                        if chance.random() >= loss:
                            waiting.append((time.monotonic() + delay, other[end], packet))
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, end, packet = waiting.popleft()
                with contextlib.suppress(OSError):  # a full queue loses packets, as queues do
                    os.write(end, packet)
    finally:
        os._exit(0)


def _tun(name: str) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    _ip(f"link set {name} txqueuelen 10000")
    return end


def _ip(*changes: str) -> None:
    for change in changes:
        subprocess.run(["ip", *change.split()], check=True)


def _end(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
