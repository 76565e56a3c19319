"""The kinds of values that routes take, each bounded; what is not said in a schema is refused."""

from __future__ import annotations

from typing import Annotated

from ninja import Path, Schema
from pydantic import ConfigDict, Field

from scanner.api.lists import LARGEST

NO_NUL = r"^[^\x00]*$"
"""No database keeps a NUL."""

Number = Annotated[int, Path(ge=1, le=LARGEST)]
SlugInPath = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Text = Annotated[str, Field(max_length=2000, pattern=NO_NUL)]
SomeText = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
SomeName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
Name = Annotated[str, Field(max_length=200, pattern=NO_NUL)]


class Sent(Schema):
    """What a program sends: only what is named here."""

    model_config = ConfigDict(extra="forbid")
