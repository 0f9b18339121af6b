"""The commands, a module each: their flags, and what they print."""
