"""Readers for every task of a data root, and what may be trained on."""
