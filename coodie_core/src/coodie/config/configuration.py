"""The validated configuration: the connections of a file and of the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coodie.config.environment import PREFIX, Variable, as_in_variables, variables
from coodie.config.problems import Problem, did_you_mean
from coodie.config.settings import (
    PROFILE_KEYS,
    ConnectionSettings,
    Setting,
    SettingPath,
    check_setting,
    combine_settings,
    option_name,
)
from coodie.exceptions import ConfigurationError
from coodie.options.declarations import OPTIONS, options_for
from coodie.options.option import Scope
from coodie.options.profiles import RequestProfile
from coodie.options.valuetypes import parse_value

if TYPE_CHECKING:
    from coodie.config.sources import TomlFile

__all__ = ["Configuration", "inspect_configuration"]

_CONNECTION_KEYS = tuple(option.key for option in options_for(Scope.CONNECTION) if option.key)
_FILE_KEYS = tuple(option.key for option in options_for(Scope.FILE))
_TABLES = ("options", "profiles")

#: Keys, one of which is required for a connection that is only defined by environment variables.
_MAKING = ("driver", "hosts", "url")


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """A configuration.

    Args:
        path: The file; None if there are only environment variables.
        connections: The connections' settings by name.
        default: The name of the connection that ``get_driver()`` returns.
        general: The settings of the whole file by key.
    """

    path: Path | None
    connections: Mapping[str, ConnectionSettings]
    default: str | None
    general: Mapping[str, Setting]

    def named(self, name: str | None) -> ConnectionSettings:
        """Return a connection's settings, or the default's.

        Raises:
            ConfigurationError: There is no such connection.
        """
        wanted = self.default if name is None else name
        if wanted is not None and wanted in self.connections:
            return self.connections[wanted]
        if wanted is None:
            raise ConfigurationError(
                "The configuration has no connection.", hint="Add one: [connections.NAME]"
            )
        hint = did_you_mean(wanted, self.connections)
        raise ConfigurationError(f"The configuration has no connection {wanted!r}.", hint=hint, option="name")


@dataclass(slots=True)
class ConfigurationParser:
    """Parses a file and the environment, and collects problems instead of raising."""

    environ: Mapping[str, str]
    file: TomlFile | None
    #: The base directory of relative paths in the file.
    base: Path
    problems: list[Problem] = field(default_factory=list)
    #: Each connection's settings in the file, and in the environment.
    in_file: dict[str, dict[SettingPath, Setting]] = field(default_factory=dict)
    in_environment: dict[str, dict[SettingPath, Setting]] = field(default_factory=dict)
    general: dict[str, Setting] = field(default_factory=dict)

    def add_problem(self, where: str, key: str, message: str) -> None:
        self.problems.append(Problem(where=where, key=key, message=message))

    # --- the file -----------------------------------------------------------------------

    def location(self, *key: str) -> str:
        return self.file.location(key) if self.file is not None else ""

    def read_general(self, data: Mapping[str, Any]) -> None:
        for key, value in data.items():
            if key == "connections":
                for name, table in self.tables(value, "connections"):
                    self.read_connection(name, table)
            elif key in _FILE_KEYS:
                setting = Setting(value=value, where=self.location(key), is_text=False, base=self.base)
                if self.is_valid((key,), setting, key):
                    self.general[key] = setting
            else:
                known = did_you_mean(key, (*_FILE_KEYS, "connections"))
                self.add_problem(self.location(key), key, f"unknown key. {known}")

    def tables(self, value: Any, *key: str) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the tables within a table."""
        if not isinstance(value, Mapping):
            self.add_problem(
                self.location(*key), ".".join(key), f"it isn't a table. Use [{'.'.join(key)}.NAME]."
            )
            return []
        found = []
        for name, table in value.items():
            if isinstance(table, Mapping):
                found.append((name, table))
            else:
                path = ".".join((*key, name))
                self.add_problem(self.location(*key, name), path, f"it isn't a table. Use [{path}].")
        return found

    def read_connection(self, name: str, table: Mapping[str, Any]) -> None:
        key = ("connections", name)
        settings: dict[SettingPath, Setting] = {}
        for entry, value in table.items():
            if entry == "profiles":
                for profile, values in self.tables(value, *key, entry):
                    settings |= self.read_profile((*key, entry, profile), profile, values)
            elif entry == "options" and isinstance(value, Mapping):
                for own, its in value.items():
                    settings["options", own] = self.setting(its, *key, entry, own)
            elif entry in _CONNECTION_KEYS:
                path = (option_name(entry),)
                setting = self.setting(value, *key, entry)
                if self.is_valid(path, setting, ".".join((*key, entry))):
                    settings[path] = setting
            else:
                if entry == "options":
                    hint = "it isn't a table."
                else:
                    hint = f"unknown key. {did_you_mean(entry, (*_CONNECTION_KEYS, *_TABLES))}"
                    hint += f" Options of the backend belong under [connections.{name}.options]."
                self.add_problem(self.location(*key, entry), ".".join((*key, entry)), hint)
        self.in_file[name] = settings

    def setting(self, value: Any, *key: str) -> Setting:
        return Setting(value=value, where=self.location(*key), is_text=False, base=self.base)

    def read_profile(
        self, key: tuple[str, ...], profile: str, values: Mapping[str, Any]
    ) -> dict[SettingPath, Setting]:
        found: dict[SettingPath, Setting] = {}
        for entry, value in values.items():
            setting = self.setting(value, *key, entry)
            if entry not in PROFILE_KEYS:
                message = f"unknown key in a profile. {did_you_mean(entry, PROFILE_KEYS)}"
                self.add_problem(setting.where, ".".join((*key, entry)), message)
            elif self.is_valid(("profiles", profile, entry), setting, ".".join((*key, entry))):
                found["profiles", profile, entry] = setting
        return found

    # --- values -------------------------------------------------------------------------

    def is_valid(self, path: SettingPath, setting: Setting, key: str) -> bool:
        try:
            check_setting(path, setting)
        except ConfigurationError as exc:
            self.add_problem(setting.where, key, str(exc))
            return False
        return True

    # --- the environment ----------------------------------------------------------------

    def read_environment(self) -> None:
        ours = list(variables(self.environ))
        names = {as_in_variables(name): name for name in self.in_file}
        made = {one.path[0] for one in ours if one.text and len(one.path) > 1 and one.path[1] in _MAKING}
        for one in ours:
            name = names.get(one.path[0], one.path[0])
            if len(one.path) == 1 and one.path[0] in _FILE_KEYS:
                self.read_general_variable(one.path[0], one)
            elif not all(one.path) or len(one.path) == 1:
                self.add_problem(one.name, "", f"it has no key. Write {PREFIX}CONNECTION__OPTION.")
            elif name not in self.in_file and one.path[0] not in made:
                hint = did_you_mean(one.path[0], names) if names else "The file has none."
                more = f"A new one needs {PREFIX}{one.path[0].upper()}__DRIVER, __HOSTS or __URL."
                self.add_problem(one.name, "", f"there is no connection {one.path[0]!r}. {hint} {more}")
            else:
                self.read_variable(name, one, self.in_environment.setdefault(name, {}))

    def read_general_variable(self, key: str, one: Variable) -> None:
        if not one.text:
            self.general.pop(key, None)
            return
        try:
            value = parse_value(OPTIONS[key].type, one.text)
        except ConfigurationError as exc:
            self.add_problem(one.name, "", str(exc))
            return
        setting = Setting(value=value, where=one.name, is_text=False, base=Path())
        if self.is_valid((key,), setting, ""):
            self.general[key] = setting

    def read_variable(self, name: str, one: Variable, settings: dict[SettingPath, Setting]) -> None:
        setting = Setting(value=one.text, where=one.name, is_text=True, base=Path())
        path: SettingPath
        match one.path[1:]:
            case ("options", own):
                settings["options", own] = setting
                return
            case ("profiles", profile, key) if key in PROFILE_KEYS:
                profiles = [p[1] for p in self.in_file.get(name, ()) if p[0] == "profiles"]
                same = {as_in_variables(known): known for known in profiles}
                path = ("profiles", same.get(profile, profile), key)
            case ("profiles", _, key):
                self.add_problem(one.name, "", f"unknown key in a profile. {did_you_mean(key, PROFILE_KEYS)}")
                return
            case (key,) if key in _CONNECTION_KEYS:
                path = (option_name(key),)
            case rest:
                known = did_you_mean("__".join(rest), (*_CONNECTION_KEYS, *_TABLES))
                self.add_problem(one.name, "", f"unknown key. {known}")
                return
        if setting.unsets or self.is_valid(path, setting, ""):
            settings[path] = setting

    # --- as a whole ---------------------------------------------------------------------

    def check_profiles(self, connection: ConnectionSettings) -> None:
        """Add a problem for each profile with contradictory values, except unresolved references."""
        profiles: dict[str, dict[str, Any]] = {}
        places: dict[str, str] = {}
        for path, setting in connection.settings.items():
            if path[0] == "profiles":
                try:
                    value = setting.resolved(OPTIONS[path[2]].type, self.environ)
                except ConfigurationError:
                    continue  # reported when the connection is opened
                profiles.setdefault(path[1], {})[path[2]] = value
                places[path[1]] = setting.where
        for name, values in profiles.items():
            try:
                RequestProfile(**values)
            except ConfigurationError as exc:
                self.add_problem(places[name], f"connections.{connection.name}.profiles.{name}", str(exc))

    def connections(self) -> dict[str, ConnectionSettings]:
        """Return the connections by name, the file's first; add problems of their URLs."""
        found = {}
        for name in dict.fromkeys((*self.in_file, *self.in_environment)):
            settings = combine_settings(
                self.in_file.get(name, {}),
                self.in_environment.get(name, {}),
                environ=self.environ,
                problem=partial(self.add_url_problem, f"connections.{name}.url"),
            )
            found[name] = ConnectionSettings(name=name, settings=settings, environ=self.environ)
        return found

    def add_url_problem(self, key: str, url: Setting, error: ConfigurationError) -> None:
        self.add_problem(url.where, key, str(error))

    def default(self) -> str | None:
        setting = self.general.get("default")
        names = list(dict.fromkeys((*self.in_file, *self.in_environment)))
        if setting is not None:
            if setting.value not in names:
                message = f"there is no connection {setting.value!r}. {did_you_mean(setting.value, names)}"
                self.add_problem(setting.where, "default", message)
            return str(setting.value)
        return "default" if "default" in names else names[0] if names else None


def inspect_configuration(
    file: TomlFile | None, environ: Mapping[str, str]
) -> tuple[Configuration, list[Problem]]:
    """Combine the file and the environment; references aren't resolved yet.

    Args:
        file: The file, or None.
        environ: The environment.

    Returns:
        The valid part of the configuration, and the problems.
    """
    reader = ConfigurationParser(environ, file, file.path.parent if file is not None else Path())
    if file is not None:
        reader.read_general(file.data)
    reader.read_environment()
    connections = reader.connections()
    for connection in connections.values():
        reader.check_profiles(connection)
    default = reader.default()
    configuration = Configuration(
        path=file.path if file is not None else None,
        connections=connections,
        default=default,
        general=reader.general,
    )
    return configuration, reader.problems
