"""The options of connections and requests: declarations, validation and values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie._lazy_imports import lazy_attributes
from coodie.options.declarations import OPTIONS, options_for
from coodie.options.option import Option, Scope
from coodie.options.valuetypes import VALUE_TYPES, ValueType

__all__ = ["OPTIONS", "VALUE_TYPES", "Option", "Scope", "ValueType", "options_for"]

if not TYPE_CHECKING:  # type checkers would accept any name
    __getattr__, __dir__ = lazy_attributes(globals(), {}, ("connection", "profiles", "tls"))
