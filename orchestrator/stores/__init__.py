"""Where limiter state lives: in this process (`memory`)."""
