"""Authorization: a twin's own OpenFGA-shaped store and its evaluator."""
