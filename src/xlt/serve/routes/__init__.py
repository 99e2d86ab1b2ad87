"""Handlers, one folder a protocol, and above them the one table of routes.

The protocols may import `request` and what is below it, never each other; the modules here may
import the protocols as well.
"""
