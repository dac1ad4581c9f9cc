"""From papers to chat examples: recipes, filters, contamination gate and split."""
