"""The world outside this machine, which no test may ask for anything.

Python's own connections are refused where they are made. All else (obstore, child processes) goes
through proxies where the environment names one: it names a door that notes who knocks.

Open is only the registry that pip gets the wheels of the worker package from.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from pip._internal.models.index import PyPI

BROWSER = ("--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND")
"""Flags of Chromium, which asks its maker for updates and accounts whatever else it is told."""
_HERE = "127.0.0.1,localhost,::1"


class Door:
    """Refuses all that wants to go out, and remembers it; a context manager.

    Attributes:
        knocks: what was asked for since they were last cleared.
    """

    def __enter__(self):
        self.knocks = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._refuse, daemon=True).start()
        self._patch = pytest.MonkeyPatch()
        proxy = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            self._set(name, proxy)
        self._set("no_proxy", ",".join([os.environ.get("no_proxy", ""), _HERE, *_registry()]))
        for name in ("connect", "connect_ex"):
            self._patch.setattr(socket.socket, name, self._loopback_only(name))
        return self

    def __exit__(self, *_):
        self._patch.undo()
        self._listening.close()

    def _set(self, name, value):
        self._patch.setenv(name, value)
        self._patch.setenv(name.upper(), value)

    def _refuse(self):
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed
                return
            with connection, suppress(OSError):
                connection.settimeout(5)
                self.knocks.append(connection.recv(200).split(b"\r\n")[0].decode("latin-1"))
                connection.sendall(b"HTTP/1.1 403 Tests stay on this machine\r\n\r\n")

    def _loopback_only(self, name):
        connect = getattr(socket.socket, name)

        def guarded(this, address):
            inside = this.family not in {socket.AF_INET, socket.AF_INET6} or _is_here(address[0])
            # A connected datagram socket has sent nothing: so one asks for one's own address.
            if not inside and this.type == socket.SOCK_STREAM:
                self.knocks.append(f"a connection to {address[0]}:{address[1]}")
                raise ConnectionRefusedError(f"tests stay on this machine: {address}")
            return connect(this, address)

        return guarded


def _registry():
    """Hosts from which pip gets wheels: its own, and those that its configuration names."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    named = (urlsplit(url).hostname for url in re.findall(r"https?://[^\s']+", listed))
    return [PyPI.netloc, PyPI.file_storage_domain, *filter(None, named)]


def _is_here(host):
    """Whether it is this machine, by name or address."""
    if host in {"", "localhost", socket.gethostname()}:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
