"""From events to log lines and, later, other systems. The only package that imports structlog."""
