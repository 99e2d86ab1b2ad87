"""What a study's cells say: the long table, paired effects, estimands, one sentence."""
