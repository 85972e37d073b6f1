"""Objects that a program names as ``module:attribute``, such as an observer or a codec in a file."""

from __future__ import annotations

from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from coodie.exceptions import CoodieError
from coodie_doctor.words import plain_text, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["imported_attribute"]


def imported_attribute(name: str, noun: str, example: str, error: Callable[..., CoodieError]) -> Any:
    """Import a module, and return its attribute.

    Args:
        name: ``module:attribute``; the attribute may have dots.
        noun: What the object is, for messages.
        example: A name, for the hint.
        error: Returns the exception to raise; called with the message and ``hint=``.

    Raises:
        CoodieError: The module or the attribute doesn't exist, or the module can't be imported.
    """
    module, _, attribute = name.partition(":")
    try:
        return attrgetter(attribute)(import_module(module))
    except CoodieError:
        raise
    except (ImportError, AttributeError, TypeError, ValueError) as exc:
        message = f"The {noun} {name!r} can't be found: {plain_text(exc)}."
        hint = f"Write the module and the attribute, such as {example!r}."
        raise error(message, hint=hint) from exc
    except (Exception, SystemExit) as exc:  # of the module's own code
        message = f"Importing {module!r} for the {noun} {name!r} raised {words_of(exc)}."
        raise error(message, hint="Fix the module, or name another one.") from exc
