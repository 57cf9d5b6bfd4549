"""The command line; every command is imported when it is called."""
