"""The compiled scoring kernel and its plain reference."""
