"""Facts to bytes and back, so that rules can be replayed on what was seen long ago.

The form is packed JSON in an envelope that names its version. A newer version, or a field that is not known
here, is refused, never guessed: half-understood facts would turn "not inspected" into "not there".

A new field with a default needs no new version: older facts load with the default. A field that is renamed, removed or
means something else does, and a stored sample of the version before it in ``tests/engine/samples``.

Form 1: the first. Form 2: a scan names its filtered ports, and datagrams are counted apart from connections.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from scanner.engine.errors import InputError
from scanner.engine.model import HostInspection
from scanner.packing import Like, pack, unpack

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator, ValidationError

SCHEMA = "roundsman.host"
VERSION = 2

_HEAD = f'{{"schema":"{SCHEMA}","version":{VERSION},"host":'.encode()


def dump_host(host: HostInspection) -> bytes:
    """Return the facts and coverage of one host as packed, versioned JSON."""
    return pack(json_of(host), Like.FACTS)


def json_of(host: HostInspection) -> bytes:
    """Return what :func:`dump_host` packs."""
    return _HEAD + _adapter().dump_json(host) + b"}"


def load_host(data: bytes) -> HostInspection:
    """Return the host that :func:`dump_host` wrote.

    Raises ``InputError`` when the data is damaged, is something else, or was written by a newer Roundsman.
    """
    from pydantic_core import ValidationError

    try:
        text = unpack(data)
    except ValueError as error:
        raise _unreadable(error) from error
    try:
        host: HostInspection = _strict().validate_json(text)["host"]
    except ValidationError as error:
        raise _refusal(text, error) from error
    return host


def warm_up() -> None:
    """Build what reading and writing need, which takes longer than using it."""
    _strict()


def _refusal(text: bytes, error: ValidationError) -> InputError:
    """Return why facts that were not taken can't be: what the envelope says comes before what is in it."""
    from pydantic_core import from_json

    try:
        envelope = from_json(text)
        schema, version, _ = envelope["schema"], envelope["version"], envelope["host"]
    except (ValueError, KeyError, TypeError) as unreadable:
        return _unreadable(unreadable)
    if schema != SCHEMA or not isinstance(version, int):
        return InputError(f"These stored facts are {schema!r}, not {SCHEMA!r}; inspect the host again.")
    if version > VERSION:
        return InputError(
            f"These facts were stored in form {version} by a newer Roundsman; this one reads up to form {VERSION}. "
            "Upgrade it to read them."
        )
    unknown = _unknown_field(error)
    if unknown:
        return InputError(
            f"These stored facts hold {unknown!r}, which a newer Roundsman wrote. Upgrade it to read them."
        )
    return InputError(f"These stored facts don't fit form {version}: {error}")


def _unreadable(error: Exception) -> InputError:
    return InputError(f"These stored facts can't be read ({error!r}); inspect the host again.")


def _unknown_field(error: ValidationError) -> str:
    """Return the path of a host's field that was stored but is not known here; empty when the error is another one."""
    paths = (each["loc"][1:] for each in error.errors() if each["type"] == "unexpected_keyword_argument")
    return ".".join(part for part in next(paths, ()) if isinstance(part, str))


@cache
def _adapter() -> TypeAdapter[HostInspection]:
    from pydantic import TypeAdapter  # here, because the import alone takes longer than most commands

    return TypeAdapter(HostInspection)


@cache
def _strict() -> SchemaValidator:
    """What reads an envelope, and a host in it that has no unknown field; by itself pydantic passes over them."""
    from pydantic_core import SchemaValidator
    from pydantic_core import core_schema as forms

    host = _refusing(_adapter().core_schema)
    envelope = forms.typed_dict_schema(
        {
            "schema": forms.typed_dict_field(forms.literal_schema([SCHEMA])),
            "version": forms.typed_dict_field(forms.int_schema(strict=True, le=VERSION)),
            "host": forms.typed_dict_field(host["schema"]),
        }
    )
    return SchemaValidator(forms.definitions_schema(envelope, host["definitions"]))


def _refusing(schema: Any) -> Any:
    """Return the schema with every dataclass in it refusing what is not one of its fields."""
    if isinstance(schema, dict):
        inner = {name: _refusing(part) for name, part in schema.items() if name != "metadata"}
        return inner | {"extra_behavior": "forbid"} if schema.get("type") == "dataclass-args" else inner
    if isinstance(schema, list):
        return [_refusing(part) for part in schema]
    return schema
