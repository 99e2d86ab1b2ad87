"""Shipped recipes, package data: `xlt train --config NAME`. Every value names its source."""
