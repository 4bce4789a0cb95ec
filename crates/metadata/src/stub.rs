//! A counting stub of an OpenAI-compatible server on loopback, for tests.
