"""The settings of a connection: each value with its source, after applying precedence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coodie.config.problems import did_you_mean
from coodie.config.references import has_reference, resolve_references
from coodie.config.url import parse_url
from coodie.exceptions import ConfigurationError
from coodie.options.connection import TLS_OPTIONS, build_config, check_option
from coodie.options.credentials import Credentials
from coodie.options.declarations import OPTIONS, options_for
from coodie.options.option import Scope
from coodie.options.valuetypes import check_value, parse_value

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from coodie.plugins.host import PluginHost

__all__ = [
    "PROFILE_KEYS",
    "ConnectionSettings",
    "Setting",
    "SettingPath",
    "check_setting",
    "combine_settings",
    "dotted_key",
    "option_name",
    "parse_backend_options",
    "url_settings",
]

#: ("port",), ("options", "node") or ("profiles", "reports", "timeout"): the names of options, not keys.
SettingPath = tuple[str, ...]

#: The keys of a request profile.
PROFILE_KEYS = tuple(option.key for option in options_for(Scope.REQUEST) if option.key)

#: What ``ssl_enabled=false`` replaces.
_TLS = (*TLS_OPTIONS, "ssl_hostname")

#: An option of a higher source → the options of lower sources that it replaces, since they belong to it.
_REPLACED = {
    "url": (
        "driver_type",
        "distribution",
        "bundle",
        "hosts",
        "port",
        "address_map",
        "username",
        "password",
        "credentials",
        *_TLS,
    ),
    "driver_type": ("distribution",),
    "bundle": ("hosts", "port", "address_map", *_TLS),
    "hosts": ("bundle",),
    "credentials": ("username", "password"),
    "username": ("credentials",),
}

_LOGIN: tuple[SettingPath, SettingPath] = (("username",), ("password",))

#: Keys in a file → the options' names, if they differ.
_NAMES = {option.key: name for name, option in OPTIONS.items() if option.key and option.key != name}


def option_name(key: str) -> str:
    """Return the name of the option with a key."""
    return _NAMES.get(key, key)


def dotted_key(path: SettingPath) -> str:
    """Return the dotted key in the connection's table; the key of a backend's option is its name."""
    own = path[0] == "options"
    return ".".join(path if own else (*path[:-1], OPTIONS[path[-1]].key))


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A value and its source.

    Args:
        value: The value as written; omitted from the repr, since it may be a secret.
        where: ``coodie.toml:12``, or the name of an environment variable.
        is_text: The source only has text values, and so the value needs parsing.
        base: The base directory of relative paths.
    """

    value: Any = field(repr=False)
    where: str
    is_text: bool
    base: Path

    @property
    def refers(self) -> bool:
        """Whether the value has a reference."""
        return has_reference(self.value)

    @property
    def unsets(self) -> bool:
        """Whether it removes the setting of a lower source: the environment variable is empty."""
        return self.is_text and self.value == ""

    def resolved(self, kind: str, environ: Mapping[str, str]) -> Any:
        """Resolve references in the value, and convert it to the option's type.

        Raises:
            ConfigurationError: A reference can't be resolved.
        """
        value = self.value
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [
                resolve_references(item, environ, self.base) if isinstance(item, str) else item
                for item in value
            ]
        if not isinstance(value, str):
            return value
        text = resolve_references(value, environ, self.base)
        if kind in ("PEM", "path") and not self.is_text and "-----BEGIN" not in text:
            # Paths in a file are relative to the file.
            return str(self.base / text)
        return parse_value(kind, text) if self.is_text or has_reference(value) else text


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionSettings:
    """The settings of one connection.

    Args:
        name: The connection's name.
        settings: The setting with the highest precedence, by the option's path.
        environ: The environment, for references.
    """

    name: str
    settings: Mapping[SettingPath, Setting]
    environ: Mapping[str, str] = field(repr=False)

    def _login(self) -> _ReferencedLogin | None:
        """Return the credentials if they have references that can be resolved now, and so change."""
        username, password = (self.settings.get(path) for path in _LOGIN)
        if ("credentials",) in self.settings:
            return None  # which is refused
        if username is None or password is None or not (username.refers or password.refers):
            return None
        login = _ReferencedLogin(username, password, self.environ)
        login()  # raises if a reference can't be resolved
        return login

    def arguments(self, plugins: PluginHost) -> dict[str, Any]:
        """Return the arguments of ``init_coodie``.

        Raises:
            ConfigurationError: A reference can't be resolved.
            DriverLoadError: The backend can't be loaded, for the types of its options.
        """
        found: dict[str, Any] = {}
        login = self._login()
        own: dict[str, Any] = {}
        texts: dict[str, str] = {}
        profiles: dict[str, dict[str, Any]] = {}
        for path, setting in self.settings.items():
            if login is not None and path in _LOGIN:
                found["credentials"] = login
            elif path[0] == "options":
                if isinstance(setting.value, str):
                    text = resolve_references(setting.value, self.environ, setting.base)
                    is_text = setting.is_text or has_reference(setting.value)
                    (texts if is_text else own)[path[1]] = text
                else:
                    own[path[1]] = setting.value
            else:
                value = setting.resolved(OPTIONS[path[-1]].type, self.environ)
                if path[0] == "profiles":
                    profiles.setdefault(path[1], {})[path[2]] = value
                else:
                    found[path[0]] = value
        if profiles:
            found["profiles"] = profiles
        return {**found, **own, **parse_backend_options(texts, found, plugins)}


@dataclass(frozen=True, slots=True)
class _ReferencedLogin:
    """A user name and a password with references, which are resolved for each login."""

    username: Setting
    password: Setting
    environ: Mapping[str, str] = field(repr=False)

    def __call__(self) -> Credentials:
        return Credentials(
            self.username.resolved("str", self.environ), self.password.resolved("secret", self.environ)
        )


def combine_settings(
    file: Mapping[SettingPath, Setting],
    environment: Mapping[SettingPath, Setting],
    *,
    environ: Mapping[str, str],
    problem: Callable[[Setting, ConfigurationError], object],
) -> dict[SettingPath, Setting]:
    """Return a connection's settings: the file's, overridden by the environment's.

    Within a source, a key overrides the same part of the URL. Between them, a URL also replaces the parts of
    the connection that it could contain, and ``ssl_enabled=false`` the other options of TLS.

    Args:
        file: The file's settings.
        environment: The settings of environment variables; empty ones remove the file's.
        environ: The environment, for references in URLs.
        problem: Called with an invalid URL and its error.
    """

    def of_url(settings: Mapping[SettingPath, Setting]) -> dict[SettingPath, Setting]:
        setting = settings.get(("url",))
        if setting is None or setting.unsets:
            return {}
        try:
            return url_settings(setting, environ)
        except ConfigurationError as exc:
            problem(setting, exc)
            return {}

    given = {**of_url(environment), **environment}
    named = [path[0] for path, setting in given.items() if len(path) == 1 and not setting.unsets]
    replaced = {other for name in named for other in _REPLACED.get(name, ())}
    if ("ssl_enabled",) in given and _is_false(given["ssl_enabled",]):
        replaced.update(_TLS)
    without_url = ("url",) in environment and environment["url",].unsets
    below = {**({} if without_url else of_url(file)), **file}
    kept = {path: setting for path, setting in below.items() if path[0] not in replaced or len(path) > 1}
    combined = {**kept, **given}
    return {path: one for path, one in combined.items() if path != ("url",) and not one.unsets}


def _is_false(setting: Setting) -> bool:
    return parse_value("bool", str(setting.value)) is False


def parse_backend_options(
    texts: Mapping[str, str], arguments: Mapping[str, Any], plugins: PluginHost
) -> dict[str, Any]:
    """Parse the values of a backend's options; the backend rejects unknown names later.

    Args:
        texts: The texts by name.
        arguments: The arguments of ``init_coodie``, which select the backend.
        plugins: The plug-ins of the registry.

    Raises:
        DriverLoadError: The backend can't be loaded.
    """
    if not texts:
        return {}
    named = {name: arguments[name] for name in ("driver_type", "distribution") if name in arguments}
    types = {option.name: option.type for option in plugins.described(build_config(**named)).options}
    return {name: parse_value(types.get(name, ""), text) for name, text in texts.items()}


def check_setting(path: SettingPath, setting: Setting) -> None:
    """Validate a value; a reference is validated when it is resolved.

    Raises:
        ConfigurationError: The value is invalid.
    """
    option = OPTIONS[path[-1]]
    if has_reference(setting.value):
        return
    value = parse_value(option.type, setting.value) if setting.is_text else setting.value
    if len(path) == 1:
        check_option(option.name, value)
    else:
        check_value(option.name, option.type, value, secret=option.secret)
    if not isinstance(value, str) and option.type in ("speculation", "retry policy"):
        message = f"{option.name}: expected str, got {type(value).__name__}."
        raise ConfigurationError(message, option=option.name)


def url_settings(setting: Setting, environ: Mapping[str, str]) -> dict[SettingPath, Setting]:
    """Return the settings that a connection's URL contains.

    Raises:
        ConfigurationError: The URL is invalid, or contains an option that has to be a key.
    """

    def part(value: Any, *, is_text: bool) -> Setting:
        return Setting(value=value, where=f"url, {setting.where}", is_text=is_text, base=setting.base)

    whole = isinstance(setting.value, str) and setting.value.startswith("{")
    url = resolve_references(setting.value, environ, setting.base) if whole else setting.value
    parts = parse_url(url)
    for name in ("lazy", "name"):
        if name in parts.arguments:
            raise ConfigurationError(
                f"The URL has {name} among its options.", hint=OPTIONS[name].instead, option="url"
            )
    found: dict[SettingPath, Setting] = {
        (name,): part(value, is_text=False) for name, value in parts.arguments.items() if name != "profiles"
    }
    found |= {("options", name): part(text, is_text=True) for name, text in parts.own.items()}
    for profile, values in parts.arguments.get("profiles", {}).items():
        for key, value in values.items():
            if key not in PROFILE_KEYS:
                hint = did_you_mean(key, PROFILE_KEYS)
                raise ConfigurationError(f"Profiles have no option {key!r}.", hint=hint, option="url")
            found["profiles", profile, key] = part(value, is_text=False)
    return found
