//! Owns: the storage traits kept in memory, for tests.
