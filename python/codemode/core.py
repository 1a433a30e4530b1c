"""The registry of the application's components and the context that its tools receive."""

from codemode._context import RuntimeContext
from codemode._errors import ComponentAlreadyExistsError, ComponentNotFoundError, RegistryError
from codemode._registry import ComponentRegistry, ScopedRegistry

__all__ = [
    "ComponentAlreadyExistsError",
    "ComponentNotFoundError",
    "ComponentRegistry",
    "RegistryError",
    "RuntimeContext",
    "ScopedRegistry",
]
