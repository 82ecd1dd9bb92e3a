"""Tables to arrays: everything about the catalogue that is known before a request."""
