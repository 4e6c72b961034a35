"""The process of a worker: ``python -m fieldwren.engine.process_worker FD``, for `processes`."""

from __future__ import annotations

import signal
import sys
from multiprocessing.connection import Connection

from fieldwren.engine.pickling import run_call

__all__ = ["serve"]


def serve(pipe: Connection) -> None:
    """Run the calls that come through the pipe until its other end is closed."""
    while True:
        try:
            data = pipe.recv_bytes()
            answer = run_call(data)
            pipe.send_bytes(answer)
        except (EOFError, BrokenPipeError):  # whoever asked is gone
            return


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    serve(Connection(int(sys.argv[1])))
