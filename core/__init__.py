"""Cross-lingual transfer: train on English, evaluate and serve in every language."""
