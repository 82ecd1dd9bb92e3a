"""LinUCB with item effects: sums, solving, scoring."""
