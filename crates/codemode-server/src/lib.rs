//! The executor's face: configuration, authentication, gRPC, HTTP, health.
