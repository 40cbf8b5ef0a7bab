"""One section of the settings, and the names that its fields hold."""

from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode


def _listed(value: Any) -> Any:
    """A JSON list, or names with commas between: both are found in the wild."""
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith(("[", "{")):
        return [name.strip() for name in value.split(",")]
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise PydanticCustomError("list", f"must be a JSON list of names: {error}") from None


Name = Annotated[str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True)]
Listed = Annotated[tuple[Name, ...], NoDecode, BeforeValidator(_listed)]
Names = Annotated[Listed, Field(min_length=1)]


class Section(BaseModel):
    """One section: frozen, and no field that is not one of its own."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        # A default may clash with what was given.
        validate_default=True,
    )
