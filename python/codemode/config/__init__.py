"""Settings of a client and of an executor.

What is valid, what two spellings mean the same, and what wins over what is decided by one model per component, in Rust;
`codemode serve` and `codemode run` read the same. These classes are its typed view.
"""

from codemode._errors import ConfigError
from codemode.config._client import ClientConfig, ObservabilityConfig, RetryConfig, TlsConfig
from codemode.config._loader import ConfigLoader, ConfigLoadError
from codemode.config._sidecar import SidecarConfig

__all__ = [
    "ClientConfig",
    "ConfigError",
    "ConfigLoadError",
    "ConfigLoader",
    "ObservabilityConfig",
    "RetryConfig",
    "SidecarConfig",
    "TlsConfig",
]
