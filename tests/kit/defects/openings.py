"""Defects in opening: addresses, logins, failures, and the plug-in's facts."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from tests.kit.defects.planting import Faulty, caught_by

from coodie.registry.registry import current_registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.kit.defects.planting import Steps

    from coodie.exceptions import CoodieError


def _same(value: Any) -> Any:
    return value


@caught_by("test_a_failed_connect_releases_all")
class FailedConnectLeaks(Faulty):
    """If opening fails, a socket is left open."""

    left: ClassVar[list[socket.socket]] = []

    @classmethod
    def failure(cls, error: CoodieError) -> Exception:
        cls.left.append(socket.socket())
        return error


@caught_by("test_nobody_listens")
class BackendsErrorOfConnecting(Faulty):
    """If nobody listens, the client's own exception is raised."""

    @classmethod
    def failure(cls, error: CoodieError) -> Exception:
        return OSError(str(error))


@caught_by("test_a_host_with_its_port")
class PortOfHostIgnored(Faulty):
    """The port of a host is ignored."""

    @classmethod
    def opening(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        hosts = options.get("hosts", [])
        return {**options, "hosts": [one.partition(":")[0] for one in hosts]} if hosts else dict(options)


@caught_by("test_a_unix_socket")
class SocketsIgnored(Faulty):
    """A host that is a path is taken for the default one."""

    @classmethod
    def opening(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        is_path = any(one.startswith("/") for one in options.get("hosts", ()))
        return {name: value for name, value in options.items() if name != "hosts" or not is_path}


@caught_by("test_credentials_that_change")
class CredentialsKept(Faulty):
    """Credentials are those of the moment when the driver was opened."""

    @classmethod
    def opening(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(options)
        current = given.pop("credentials", None)
        return given if current is None else given | {"credentials": partial(_same, current())}


@caught_by("test_users_and_passwords")
class PasswordOfAnyone(Faulty):
    """A password is converted to ASCII."""

    @classmethod
    def opening(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        password = options.get("password")
        return {**options, "password": ascii(password)} if password else dict(options)


@caught_by("test_facts_are_texts")
class FactsAsNumbers(Faulty):
    """The plug-in's facts about a driver are numbers."""

    def begin(self, options: dict[str, Any]) -> None:
        del options
        self.plugins = current_registry().plugins
        self.plugins.inspect = lambda *_: {"connections": 2}  # type: ignore[method-assign]  # the defect

    def on_close(self, drain: float | None = None) -> Steps:
        vars(self.plugins).pop("inspect", None)
        yield self.right("close", drain=drain)
