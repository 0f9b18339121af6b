"""The release of this program."""

TOOL_VERSION = "0.1.0"
