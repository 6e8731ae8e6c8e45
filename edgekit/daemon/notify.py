"""systemd's notification protocol: one datagram a message to $NOTIFY_SOCKET. See sd_notify(3)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

__all__ = ["Notifier"]


class Notifier:
    """Tells systemd; says nothing where there is none.

    Args:
        environment: holds NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID where systemd started this process.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the abstract namespace, where the name begins with a NUL.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        microseconds = environment.get("WATCHDOG_USEC", "")
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        #: Seconds between two signs of life: half of what systemd waits; None where it waits for none.
        self.watchdog_s = int(microseconds) / 2e6 if microseconds.isdigit() and int(microseconds) and mine else None

    def ready(self, status: str) -> None:
        """The daemon answers."""
        self._send(f"READY=1\nSTATUS={status}")

    def alive(self) -> None:
        """An inference has come through."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Models are being loaded again; `ready` follows."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The daemon is about to end."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.sendto(message.encode("utf-8"), self._address)
            except OSError:  # systemd is restarting: it asks nothing meanwhile
                return
