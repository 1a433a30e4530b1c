"""What every settings class shares: Rust says what holds, pydantic gives it names and types."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler

from codemode._errors import ConfigError
from codemode._read_config import ConfigLoadError, Kind, read, read_file

if TYPE_CHECKING:
    from typing_extensions import Self


class Answer(dict[str, Any]):
    """What Rust says of a section. `given` are the dotted names of the settings in it that some source gives."""

    def __init__(self, settings: Mapping[str, Any], given: Collection[str]) -> None:
        super().__init__(
            {
                name: Answer(value, _below(name, given)) if isinstance(value, Mapping) and name != "policy" else value
                for name, value in settings.items()
            }
        )
        self.given = given

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Answer:
        """Of a whole configuration, as `read` has it."""
        return cls(settings, settings["set"])


def _below(section: str, given: Collection[str]) -> set[str]:
    return {name.removeprefix(f"{section}.") for name in given if name.startswith(f"{section}.")}


class Section(BaseModel):
    """Frozen. Rust checks what is given: what is wrong is a `ConfigError`, in the words that every reader uses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    _kind: ClassVar[Kind]
    # Where the section lies in the whole configuration.
    _key: ClassVar[str]

    @model_validator(mode="wrap")
    @classmethod
    def _checked(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            raise ConfigError(f"{cls._name()} must be a mapping of keys to values, got {type(data).__name__}")
        answer = data if isinstance(data, Answer) else cls._read(data)
        section = handler(cls._fields(answer))
        # A default that nobody asked for must not count as a wish.
        section.model_fields_set.intersection_update(name.partition(".")[0] for name in answer.given)
        section._keep(answer)
        return section

    @classmethod
    def _name(cls) -> str:
        return cls._key

    @classmethod
    def _read(cls, values: Mapping[str, Any]) -> Answer:
        """The section alone."""
        path = cls._key.split(".")
        given = values
        for name in reversed(path):
            given = {name: given}
        answer = Answer.of(read(cls._kind, given))
        for name in path:
            answer = answer[name]
        return answer

    @classmethod
    def _fields(cls, answer: Answer) -> Mapping[str, Any]:
        return answer

    def _keep(self, answer: Answer) -> None:
        """What is no field."""


class Configuration(Section):
    """A whole configuration, and where it may come from."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, dotenv: str | os.PathLike[str] | None = None) -> Self:
        """From the CODEMODE_* variables, and from the file `dotenv` where one of them is not set."""
        if dotenv is not None and not os.path.isfile(dotenv):
            raise ConfigLoadError(f"the file {os.fspath(dotenv)!r} does not exist; write it, or leave dotenv out")
        environ = os.environ if environ is None else environ
        return cls.of(read(cls._kind, environ=environ, dotenv=None if dotenv is None else os.fspath(dotenv)))

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> Self:
        """From a YAML file. The environment wins over the `.env` beside the file, and that over the file."""
        return cls.of(read_file(cls._kind, path, environ))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From the keys of the YAML file. Relative paths begin at the working directory."""
        return cls.model_validate(values)

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Self:
        """From what `codemode._read_config` has read."""
        return cls.model_validate(Answer.of(settings))

    def to_dict(self) -> dict[str, Any]:
        """Plain values; secrets are masked."""
        return self.model_dump(mode="json")

    @classmethod
    def _name(cls) -> str:
        return f"a {cls._kind} configuration"

    @classmethod
    def _read(cls, values: Mapping[str, Any]) -> Answer:
        return Answer.of(read(cls._kind, values))
