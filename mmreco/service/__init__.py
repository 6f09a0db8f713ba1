"""The service: a recommender behind HTTP, with an event store that loses nothing it acknowledged."""
