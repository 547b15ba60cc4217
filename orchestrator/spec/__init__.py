"""Protocols between the parts: providers, transports, authentication, stores, events. No behaviour worth the name."""
