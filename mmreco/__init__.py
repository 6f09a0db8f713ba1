"""mmreco."""
