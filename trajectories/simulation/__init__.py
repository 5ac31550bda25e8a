"""From a request to a record or a run: checks, preparation, workers, estimates."""
