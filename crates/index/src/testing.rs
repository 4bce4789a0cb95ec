//! Helpers for tests of this and other crates; behind the feature `testing`.
