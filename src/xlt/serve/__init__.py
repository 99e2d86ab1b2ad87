"""The HTTP server: bundles in, answers out; never imports torch or transformers.

From the bottom: errors and limits; `compute` (models) beside `http` (bytes); `request`; `routes`;
`app`; the commands. May import `core` and `cli`, no other stage.
"""
