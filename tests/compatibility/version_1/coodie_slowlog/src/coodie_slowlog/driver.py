"""A driver around another one."""

import logging
import time
from contextlib import contextmanager

from coodie.drivers import AbstractDriver

log = logging.getLogger(__name__)


class SlowLogDriver(AbstractDriver):
    """Log the requests that take long; leave everything else to the inner driver."""

    def __init__(self, inner, slow_seconds):
        self._inner = inner
        self.capabilities = inner.capabilities
        self._slow_seconds = slow_seconds

    @contextmanager
    def _timed(self, stmt):
        started = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - started
            if seconds >= self._slow_seconds:
                log.warning("%.3f s: %s", seconds, stmt)  # never the values: they may be secret

    def execute(
        self,
        stmt,
        params,
        consistency=None,
        timeout=None,
        fetch_size=None,
        paging_state=None,
        *,
        options=None,
    ):
        with self._timed(stmt):
            return self._inner.execute(
                stmt, params, consistency, timeout, fetch_size, paging_state, options=options
            )

    async def execute_async(
        self,
        stmt,
        params,
        consistency=None,
        timeout=None,
        fetch_size=None,
        paging_state=None,
        *,
        options=None,
    ):
        with self._timed(stmt):
            return await self._inner.execute_async(
                stmt, params, consistency, timeout, fetch_size, paging_state, options=options
            )

    def sync_table(self, *args, **kwargs):
        return self._inner.sync_table(*args, **kwargs)

    async def sync_table_async(self, *args, **kwargs):
        return await self._inner.sync_table_async(*args, **kwargs)

    def close(self):
        self._inner.close()

    async def close_async(self):
        await self._inner.close_async()
