"""The door: settings, processes, HTTP and the command line."""
