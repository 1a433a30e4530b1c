"""Codemode as a tool of agent frameworks. Each adapter needs its framework, so nothing is imported from here."""
