"""XTREME evaluation on onnxruntime; never imports torch or transformers."""
