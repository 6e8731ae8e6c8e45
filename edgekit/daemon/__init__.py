"""The inference daemon, `edgekit serve`: Open Inference Protocol v2 over HTTP, several models, each on a thread of its own."""
