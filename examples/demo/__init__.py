"""Three real jobs through the public API with the embedded executor: `make demo`."""
