"""One file a quantity: what is estimated from clicks, with its error; kernels apart."""
