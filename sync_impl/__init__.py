"""The direct-call side: the API calls each service over HTTP and waits for its answer."""
