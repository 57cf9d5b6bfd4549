"""Every object with its revision and history, in memory, and kept in a file if asked for."""
