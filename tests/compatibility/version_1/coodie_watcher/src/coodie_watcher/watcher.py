"""The observer "watcher": every hook of version 1, and what its events have."""

from coodie.plugins import hookimpl

#: What was told, by the hook's name: what each event of it had.
told = {}


def note(hook, event, *fields):
    """Keep what an event has."""
    told.setdefault(hook, []).append({name: getattr(event, name) for name in fields})


class Watcher:
    """Notes everything."""

    @hookimpl
    def coodie_driver_registered(self, event):
        note("registered", event, "driver_name", "driver_type", "keyspace", "default", "replaced")

    @hookimpl
    def coodie_connection_opened(self, event):
        note("opened", event, "driver_name", "driver_type", "hosts", "port", "duration", "borrowed")

    @hookimpl
    def coodie_connection_failed(self, event):
        note("failed", event, "driver_name", "driver_type", "hosts", "port", "duration", "error")

    @hookimpl
    def coodie_connection_closed(self, event):
        note("closed", event, "driver_name", "driver_type", "error")

    @hookimpl
    def coodie_request_started(self, event):
        note("started", event, "request_id", "kind", "statement", "statements", "parameter_count", "parameters")

    @hookimpl
    def coodie_request_finished(self, event):
        note("finished", event, "request_id", "kind", "statement", "batch_size", "consistency", "fetch_size")
        note("answered", event, "request_id", "duration", "rows", "pages", "host", "error", "idempotent", "timeout")

    @hookimpl
    def coodie_schema_changed(self, event):
        note("changed", event, "change", "target", "keyspace", "name", "statement")
