"""A proxy in front of a server on this machine that can be away, slow, or answer 500."""

import contextlib
import socket
import threading
import time
from typing import Literal

Mode = Literal["well", "away", "slow", "error"]
SLOW_SECONDS = 3.0
ERROR = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n"
    b"Connection: close\r\n\r\nfault"
)


class Proxy:
    """Passes connections on to a port, as its mode says; each connection has its threads.

    Args:
        target: Port of the server.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.mode: Mode = "well"
        self.num_requests = 0
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """The address that a client uses."""
        return f"http://127.0.0.1:{self.port}"

    def become(self, mode: Mode) -> None:
        """Change the mode; connections that are open are cut."""
        self.mode = mode
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop to listen."""
        self.become("away")
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self.num_requests += 1
        with client:
            if self.mode == "away":
                return
            if self.mode == "error":
                with contextlib.suppress(OSError):
                    client.recv(65536)
                    client.sendall(ERROR)
                return
            if self.mode == "slow":
                time.sleep(SLOW_SECONDS)
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.target)) as server,
            ):
                self._open |= {client, server}
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join()
                self._open -= {client, server}


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy bytes until one side ends, then end the other."""
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
