"""The hooks of driver_type "echo", and a driver that has its requests observed."""

import coodie
from coodie.observers import observe_request, tell_closed
from coodie.plugins import DriverDescription, hookimpl


class Echo(coodie.AbstractDriver):
    """Answers with the statement."""

    def execute(self, stmt, params, consistency=None, timeout=None, fetch_size=None, paging_state=None, *, options=None):
        with observe_request(
            self, stmt, params, consistency=consistency, timeout=timeout, fetch_size=fetch_size, options=options
        ) as request:
            rows = coodie.Rows([{"stmt": stmt}])
            request.add_page(len(rows))
            return rows

    async def execute_async(self, stmt, params, *args, **kwargs):
        return self.execute(stmt, params, *args, **kwargs)

    def sync_table(self, *args, **kwargs):
        return []

    async def sync_table_async(self, *args, **kwargs):
        return []

    def close(self):
        tell_closed(self)

    async def close_async(self):
        self.close()


@hookimpl
def coodie_describe_driver():
    return DriverDescription(summary="Answers with the statement", connection_fields=frozenset())


@hookimpl
def coodie_open_driver(config):
    return Echo()
