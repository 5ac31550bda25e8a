"""What a record says about a model: validation, exact tests and maximum likelihood."""
