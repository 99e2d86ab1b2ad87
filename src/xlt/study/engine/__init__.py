"""Carries a plan out: a store of finished stages, and engines that run what is missing."""
