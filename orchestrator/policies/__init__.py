"""One rule about a call or an attempt per file. None imports another; `pipeline` puts them in order."""
