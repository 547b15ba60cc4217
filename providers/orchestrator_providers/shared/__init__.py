"""Pure helpers that several wires need: reading JSON, classifying errors, reading delays."""
