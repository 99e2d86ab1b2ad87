"""What a study will do: its cells, the stages that make them, and the keys those are kept under."""
