"""What the speed benchmarks are made of: the work, the server, the libraries that do it, rounds and tables."""
