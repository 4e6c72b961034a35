"""A budget of bytes, so that memory is bounded whatever is read."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["Budget"]


class Budget:
    """Bytes that may be held at a time, in one event loop.

    First come, first served, so nobody starves. What exceeds the whole budget passes alone. A task
    that holds some must not ask for more: that is what keeps it free of deadlocks.

    Args:
        capacity: Bytes in all.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def take(self, size: int) -> AsyncGenerator[None]:
        """Hold some bytes of the budget; waits until there are enough."""
        size = min(size, self.capacity)
        if self._waiting or self.used + size > self.capacity:
            await self._wait(size)
        else:
            self.used += size
        try:
            yield
        finally:
            self.used -= size
            self._grant()

    async def _wait(self, size: int) -> None:
        place = size, asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place[1]
        except asyncio.CancelledError:
            if not place[1].cancelled():  # granted in the same moment
                self.used -= size
            elif place in self._waiting:
                self._waiting.remove(place)
            self._grant()
            raise

    def _grant(self) -> None:
        while self._waiting and self.used + self._waiting[0][0] <= self.capacity:
            size, future = self._waiting.popleft()
            if not future.cancelled():
                self.used += size
                future.set_result(None)
