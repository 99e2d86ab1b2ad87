"""The embedded synthetic benchmark: a deterministic multilingual world."""
