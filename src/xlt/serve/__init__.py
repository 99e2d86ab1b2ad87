"""HTTP server; never imports torch or transformers."""
